import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { openLibpq } from './libpq.ts';
import { errorFromLines, redact, translatePgError } from './pg-errors.ts';
import { displayName, quoteConninfo, quoteLiteral, quoteName } from './quote.ts';
import { describeEntry, entriesOfTables, readTableOfContents, requiredBy } from './restore-toc.ts';
import { tocEntry } from './testing/toc.ts';

describe('names', () => {
  it('never look alike when they differ', () => {
    expect(displayName({ schema: 'public', name: 'orders' })).toBe('public.orders');
    expect(displayName({ schema: 'a.b', name: 'c' })).not.toBe(displayName({ schema: 'a', name: 'b.c' }));
    expect(displayName({ schema: 'public', name: 't#1' })).toBe('public."t#1"');
    expect(quoteName({ schema: 'a"b', name: 'C' })).toBe('"a""b"."C"');
  });

  it('are quoted, as texts are, for SQL and for connection strings', () => {
    expect(quoteLiteral("it's")).toBe("'it''s'");
    expect(quoteLiteral("a\\'b")).toBe("E'a\\\\''b'");
    expect(quoteConninfo("a'b\\c d")).toBe("'a\\'b\\\\c d'");
  });
});

describe('errors of the server and its programs', () => {
  it('get their codes', () => {
    const code = (message: string, sqlState?: string) =>
      (translatePgError(Object.assign(new Error(message), { code: sqlState }), 'doing') as { code?: string })
        .code;
    expect(code('password authentication failed', '28P01')).toBe('SOURCE_CREDENTIALS');
    expect(code('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED')).toBe('SOURCE_UNREACHABLE');
    expect(code('connect ENOENT /tmp/.s.PGSQL.5432', 'ENOENT')).toBe('SOURCE_UNREACHABLE');
    expect(code('connect EACCES /run/.s.PGSQL.5432', 'EACCES')).toBe('SOURCE_UNREACHABLE');
    expect(code('spawn pg_dump ENOENT', 'ENOENT')).toBe('TOOL_FAILED');
    expect(code('Connection terminated unexpectedly')).toBe('SOURCE_UNREACHABLE');
    expect(code('The server does not support SSL connections')).toBe('SOURCE_TLS');
    expect(code('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT')).toBe('SOURCE_TLS');
    expect(code('could not extend file: No space left on device', '53100')).toBe('DISK_FULL');
    expect(code('division by zero', '22012')).toBe('TOOL_FAILED');
    expect(code('subtitles are missing')).toBeUndefined();
  });

  it('send nobody to security groups when the server says that it has no such database', () => {
    const hint = (message: string, code: string) =>
      (translatePgError(Object.assign(new Error(message), { code }), 'doing') as { hint?: string }).hint;
    expect(hint('database "nodb" does not exist', '3D000')).toBe(
      'the server answers: create database "nodb" there, or name another one in the connection',
    );
    expect(hint('Datenbank »nodb« existiert nicht', '3D000')).toMatch(
      /^the server answers: create the database/,
    );
    const line = 'connection to server at "h" failed: FATAL:  database "nodb" does not exist';
    expect(errorFromLines([line], 'pg_dump')).toMatchObject({
      code: 'SOURCE_UNREACHABLE',
      hint: expect.stringContaining('create database "nodb"'),
    });
    expect(hint('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED')).toContain('security groups');
  });

  it('are found in what psql and pg_dump say', () => {
    expect(
      errorFromLines(
        ['x', 'ERROR:  53100: could not extend file "base/1": No space left on device'],
        'restore',
      )?.code,
    ).toBe('DISK_FULL');
    expect(
      errorFromLines(
        ['pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout'],
        'dump',
      )?.code,
    ).toBe('SOURCE_CHANGED');
    expect(
      errorFromLines(
        ['ERROR:  42501: query would be affected by row-level security policy for table "t"'],
        'copy',
      )?.code,
    ).toBe('SOURCE_PRIVILEGES');
    expect(errorFromLines(['ERROR:  23505: duplicate key'], 'copy')).toBeUndefined();
  });

  it('say what to do', () => {
    const told = (line: string) => {
      const error = errorFromLines([line], 'doing');
      return [error?.code, error?.hint];
    };
    // Of programs that cannot connect, libpq gives no code.
    const refused =
      'connection to server at "h", port 5432 failed: FATAL:  PAM authentication failed for user "u"';
    expect(told(`psql: error: ${refused}`)).toEqual([
      'SOURCE_CREDENTIALS',
      expect.stringContaining('rds_iam'),
    ]);
    const conflict = 'canceling statement due to conflict with recovery';
    for (const line of [`ERROR:  40001: ${conflict}`, `pg_dump: error: query failed: ERROR:  ${conflict}`])
      expect(told(line)).toEqual(['SOURCE_CHANGED', expect.stringContaining('hot_standby_feedback')]);
    expect(told('ERROR:  22021: invalid byte sequence for encoding "UTF8": 0xe9')).toEqual([
      'TOOL_FAILED',
      expect.stringContaining('ENCODING'),
    ]);
    for (const end of [
      'No space left on device',
      'wrote only 4096 of 8192 bytes at block 7',
      'Disk quota exceeded',
    ])
      expect(told(`CREATE INDEX i ON t (v): could not extend file "x": ${end}`)).toEqual([
        'DISK_FULL',
        expect.stringContaining('a restore then needs a new, empty target'),
      ]);
    expect(told('EXTENSION x: could not execute query: ERROR:  extension "x" is not available')).toEqual([
      'TOOL_FAILED',
      expect.stringContaining('install the extension'),
    ]);
  });

  it('lose the passwords that commands carry', () => {
    expect(
      redact("Command was: CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'geheim');"),
    ).not.toContain('geheim');
    expect(redact("CONNECTION 'host=x password=geheim dbname=y'")).not.toContain('geheim');
    expect(redact("ALTER ROLE x PASSWORD 'ge''heim' VALID")).toBe('ALTER ROLE x PASSWORD *** VALID');
  });
});

describe('openLibpq', () => {
  let parent: string;
  beforeEach(() => {
    parent = mkdtempSync(path.join(os.tmpdir(), 'holdfast-test-'));
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));
  const connection: PostgresConnection = {
    host: 'h',
    port: 5432,
    dbname: "o'db",
    username: 'u',
    password: 'a:b\\c',
    tls: 'disable',
  };

  it('keeps the password in a file for the owner only, until it is disposed of', async () => {
    const access = await openLibpq(connection, { searchPath: '/usr/bin', temporaryDirectory: parent });
    const file = access.env['PGPASSFILE'] ?? '';
    expect(readFileSync(file, 'utf8')).toBe('*:*:*:*:a\\:b\\\\c\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    expect(JSON.stringify([access.env, access.conninfo])).not.toContain('a:b');
    await access.dispose();
    expect(existsSync(access.directory)).toBe(false);
  });

  it('deletes what a killed process left, and nothing of a running one', async () => {
    const dead = path.join(parent, 'holdfast-pg-2147483646-abc');
    const alive = path.join(parent, `holdfast-pg-${process.ppid}-abc`);
    for (const directory of [dead, alive]) mkdirSync(directory);
    const access = await openLibpq(connection, { searchPath: '/usr/bin', temporaryDirectory: parent });
    expect([existsSync(dead), existsSync(alive)]).toEqual([false, true]);
    await access.dispose();
  });

  it('refuses a password that a password file cannot carry', async () => {
    for (const password of ['a\nb', 'a\r', 'a\0']) {
      await expect(
        openLibpq({ ...connection, password }, { searchPath: '/usr/bin', temporaryDirectory: parent }),
      ).rejects.toMatchObject({ code: 'SOURCE_CREDENTIALS' });
    }
    await expect(
      openLibpq(
        { ...connection, tls: 'verify-full', caFile: '/nonexistent.pem' },
        { searchPath: '/usr/bin', temporaryDirectory: parent },
      ),
    ).rejects.toMatchObject({ code: 'SOURCE_TLS' });
  });
});

describe("an archive's table of contents", () => {
  const entries = [
    tocEntry(5, ['SCHEMA', '', 'shop']),
    tocEntry(215, ['TYPE', 'shop', 'state'], { dependsOn: [5] }),
    tocEntry(220, ['TABLE', 'shop', 'orders'], { oid: 16400, dependsOn: [5, 215] }),
    tocEntry(221, ['TABLE', 'shop', 'orders x'], { oid: 16410, dependsOn: [5, 220] }),
    tocEntry(222, ['SEQUENCE', 'shop', 'orders_id_seq'], { dependsOn: [220] }),
    tocEntry(230, ['CONSTRAINT', 'shop', 'orders orders_pkey'], { dependsOn: [220] }),
    tocEntry(231, ['FK CONSTRAINT', 'shop', 'orders x to_orders'], { dependsOn: [221, 220, 230] }),
    tocEntry(232, ['COMMENT', 'shop', 'CONSTRAINT orders_pkey ON orders'], { dependsOn: [230] }),
  ];

  it('gives a table its own entries, and what they need', () => {
    const own = entriesOfTables(entries, new Set([16400]));
    expect([...own].map((entry) => entry.id)).toEqual([220, 222, 230, 232]);
    expect([...requiredBy(own, entries, () => false)].map((entry) => entry.id).toSorted()).toEqual([215, 5]);
  });

  it('names entries as people do', () => {
    expect(entries.slice(0, 1).concat(entries.slice(6, 7)).map(describeEntry)).toEqual([
      'SCHEMA shop',
      'FK CONSTRAINT shop.orders x to_orders',
    ]);
  });

  it('is refused in a version that nobody knows, by what it says it is', () => {
    const head = (minor: number) => Buffer.from(`PGDMP\u0001${String.fromCharCode(minor)}\u0000`, 'latin1');
    for (const archive of [head(17), head(11), Buffer.from('-- a plain dump')])
      expect(() => readTableOfContents(archive)).toThrow(
        expect.objectContaining({ code: 'TOOL_FAILED', message: expect.stringContaining('1.12 to 1.16') }),
      );
  });
});
