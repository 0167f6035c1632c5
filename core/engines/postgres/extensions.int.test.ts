import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

/** An extension as many are: tables of its own, some of whose rows are the user's, and one that it fills itself. */
const control = `default_version = '1.0'\nrelocatable = false\nschema = ext\ntrusted = true\n`;
const script = `
  CREATE TABLE rules (name text PRIMARY KEY, value text, builtin boolean NOT NULL DEFAULT false, parent text REFERENCES rules);
  INSERT INTO rules VALUES ('one', 'from the script', true), ('two', 'from the script', true);
  CREATE TABLE notes (id serial PRIMARY KEY, rule text REFERENCES rules, note text);
  CREATE TABLE lookup AS SELECT i, i * i AS square FROM generate_series(1, 5) i;
  SELECT pg_catalog.pg_extension_config_dump('rules', 'WHERE NOT builtin');
  SELECT pg_catalog.pg_extension_config_dump('notes', '');
  SELECT pg_catalog.pg_extension_config_dump('notes_id_seq', '');`;

describe("an extension with the user's rows in its tables", () => {
  let harness: Harness;
  let directory: string;
  let source: PostgresConnection;
  beforeAll(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-extension-'));
    mkdirSync(path.join(directory, 'extension'));
    writeFileSync(path.join(directory, 'extension/holdfast_test.control'), control);
    writeFileSync(path.join(directory, 'extension/holdfast_test--1.0.sql'), script);
    chmodSync(directory, 0o755);
    harness = await Harness.start(18, { extension_control_path: `$system:${directory}` });
    source = await harness.database('source');
    await harness.sql(
      source,
      `CREATE SCHEMA ext; CREATE EXTENSION holdfast_test; COMMENT ON EXTENSION holdfast_test IS 'ours';
      INSERT INTO ext.rules VALUES ('mine', E'a\\tb', false, 'one'), ('child', 'c', false, 'mine');
      UPDATE ext.rules SET value = 'changed by the user' WHERE name = 'two';
      INSERT INTO ext.notes (rule, note) SELECT 'mine', 'note ' || i FROM generate_series(1, 1000) i;
      DELETE FROM ext.notes WHERE id > 900;
      CREATE TABLE users (rule text REFERENCES ext.rules); INSERT INTO users VALUES ('child')`,
    );
  });
  afterAll(async () => {
    await harness?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('comes back with them, and with what the extension makes itself', async () => {
    const backup = await harness.backup(source);
    expect(backup.outcome.notCovered).toEqual([
      {
        name: 'ext.lookup',
        reason:
          "belongs to the extension holdfast_test: as in pg_dump, it comes back only as the extension's script makes it",
      },
    ]);
    expect(backup.store.items.find((item) => item.name === 'ext.rules')?.rows).toBe(2);
    const target = await harness.database('target');
    const restored = await harness.restore(target, backup);
    expect(restored.warnings).toEqual([]);
    const notes = "SELECT count(*), md5(string_agg(id || rule || note, ',' ORDER BY id)) FROM ext.notes";
    expect(await harness.sql(target, notes)).toBe(await harness.sql(source, notes));
    expect(
      await harness.sql(target, "SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM ext.rules"),
    ).toBe('child=c mine=a\tb one=from the script two=from the script');
    expect(await harness.sql(target, 'SELECT sum(square) FROM ext.lookup')).toBe('55');
    expect(await harness.sql(target, "SELECT nextval('ext.notes_id_seq')")).toBe('1001');
    expect(
      await harness.sql(
        target,
        "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'holdfast_test'",
      ),
    ).toBe('ours');
    expect(await harness.sql(target, 'SELECT rule FROM users')).toBe('child');
    // Still the extension's own, so that a backup of the restored database carries them again.
    const again = await harness.backup(target);
    expect(again.store.items.find((item) => item.name === 'ext.notes')?.rows).toBe(900);
    const { checks } = await harness.engine().check({
      connection: target,
      manifest: backup.store.manifest(backup.outcome),
      assertions: [],
      signal: new AbortController().signal,
    });
    expect(checks.filter((check) => !check.ok)).toEqual([]);
  });

  it('does not take a table along that was joined to it, and says so', async () => {
    const joining = await harness.database('joining');
    await harness.sql(joining, 'CREATE SCHEMA ext; CREATE EXTENSION holdfast_test');
    await harness.sql(
      joining,
      `CREATE ROLE joined_reader; CREATE TABLE joined AS SELECT generate_series(1, 1000) AS i; CREATE TABLE empty (i int); CREATE TABLE own AS TABLE joined;
      ALTER EXTENSION holdfast_test ADD TABLE joined; ALTER EXTENSION holdfast_test ADD TABLE empty; GRANT SELECT ON joined TO joined_reader`,
    );
    // The control.
    expect(await normalizedDump(harness.bin, joining)).not.toMatch(/(?:CREATE TABLE|COPY) public\.joined/);
    const warnings: unknown[] = [];
    const backup = await harness.backup(joining, {
      log: { info: () => undefined, warn: (message, detail) => void warnings.push([message, detail]) },
    });
    expect(warnings).toEqual([
      [
        expect.stringContaining('ALTER EXTENSION … DROP TABLE'),
        { table: 'public.joined', extension: 'holdfast_test' },
      ],
    ]);
    expect(backup.outcome.notCovered.find(({ name }) => name === 'public.joined')).toEqual({
      name: 'public.joined',
      reason: expect.stringContaining("only as the extension's script makes it"),
    });
    const target = await harness.database('target');
    // Its grant is in the dump all the same.
    const { faults } = await harness.restore(target, backup);
    expect(faults).toEqual([
      {
        object: 'ACL public.TABLE joined',
        message: 'relation "public.joined" does not exist',
        sqlState: '42P01',
      },
    ]);
    expect(await harness.sql(target, "SELECT count(*), to_regclass('joined') IS NULL FROM own")).toBe(
      '1000|t',
    );
    // What the warning advises.
    await harness.sql(joining, 'ALTER EXTENSION holdfast_test DROP TABLE joined');
    expect(
      (await harness.backup(joining)).store.items.find(({ name }) => name === 'public.joined')?.rows,
    ).toBe(1000);
  });

  it('is named when the target has it not, with the rows that have no place; all others come in', async () => {
    const backup = await harness.backup(source);
    const target = await harness.database('target');
    await harness.sql(target, `ALTER DATABASE "${target.dbname}" SET extension_control_path TO '$system'`);
    await expect(harness.restore(target, backup)).rejects.toMatchObject({
      code: 'ROWS_NOT_RESTORED',
      message: expect.stringMatching(
        /ext\.notes \(900 rows\).*ext\.notes_id_seq.*first fault was EXTENSION holdfast_test: extension "holdfast_test" is not available/,
      ),
      hint: expect.stringContaining('install'),
    });
    expect(await harness.sql(target, 'SELECT rule FROM users')).toBe('child');
  });
});
