import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../../sandbox/postgres/postgres-server.ts';
import { compressStream } from '../../vault/compress.ts';
import type { PostgresConnection } from './connection.ts';
import { SchemaArchive } from './restore-archive.ts';
import { Harness } from './testing/harness.ts';
import { mountSmallDisk, type SmallDisk, whyNoSmallDisk } from './testing/small-disk.ts';

const whyNot = whyNoSmallDisk();
const whatToDo =
  'make room where the database server keeps its data; a restore then needs a new, empty target, because this one holds a part only';
const isRoot = process.getuid?.() === 0;
/** PostgreSQL refuses to run as root, so its files are nobody's then. */
const nobody = 65534;

describe.skipIf(whyNot !== undefined)(
  `a full disk on the restore side${whyNot === undefined ? '' : `: ${whyNot}`}`,
  () => {
    let harness: Harness;
    let number = 0;
    const disks: SmallDisk[] = [];
    beforeAll(async () => {
      harness = await Harness.start(18);
    });
    afterAll(async () => {
      await harness?.stop();
      for (const disk of disks) disk.unmount();
    });

    const smallDisk = (megabytes: number): SmallDisk => {
      const disk = mountSmallDisk(megabytes);
      if (disk === undefined) throw new Error('a small disk could be mounted a moment ago');
      disks.push(disk);
      return disk;
    };
    /** Databases whose files all lie on a small disk. */
    const smallTablespace = async (megabytes: number) => {
      const disk = smallDisk(megabytes);
      const location = path.join(disk.directory, 'data');
      mkdirSync(location);
      if (isRoot) chownSync(location, nobody, nobody);
      const space = `small_${(number += 1)}`;
      const { connection } = harness.server;
      await harness.sql(connection, `CREATE TABLESPACE ${space} LOCATION '${location}'`);
      const database = async (): Promise<PostgresConnection> => {
        const name = `target_${(number += 1)}`;
        await harness.sql(connection, `CREATE DATABASE ${name} TABLESPACE ${space} TEMPLATE template0`);
        return harness.server.connectionTo(name);
      };
      return { disk, database };
    };
    // Without sorting, which would need room on the full disk.
    const rows = 'SELECT count(*), sum(i), sum(hashtextextended(i || v, 0)) FROM t';
    const filled = async (count: number, more = '') => {
      const source = await harness.database('source');
      await harness.sql(
        source,
        `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, ${count}) i;
      ALTER TABLE t ADD PRIMARY KEY (i); CREATE TABLE little AS SELECT 1 AS a; ${more}`,
      );
      return { source, backup: await harness.backup(source) };
    };

    it('ends while rows come in, and what is there cannot be taken for the whole', async () => {
      const { source, backup } = await filled(200_000);
      const { disk, database } = await smallTablespace(20);
      const target = await database();
      await expect(harness.restore(target, backup)).rejects.toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringMatching(/public\.t\b.*No space left on device/),
        hint: expect.stringContaining(whatToDo),
      });
      // Rows of a table come in one transaction: all or none, and no key before they are there.
      expect(await harness.sql(target, "SELECT count(*), to_regclass('t_pkey') IS NULL FROM t")).toBe('0|t');
      expect(
        await harness.sql(
          target,
          "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdfast%'",
        ),
      ).toBe('0');
      await expect(harness.restore(target, backup)).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });

      disk.resize(200);
      const again = await database();
      await harness.restore(again, backup);
      expect(await harness.sql(again, rows)).toBe(await harness.sql(source, rows));
      expect(await harness.sql(again, "SELECT to_regclass('t_pkey') IS NOT NULL")).toBe('t');
    });

    it('ends while indexes are built, and names the one that has no room', async () => {
      const indexes = Array.from({ length: 6 }, (_, at) => `CREATE INDEX index_${at} ON t (v)`).join(';');
      const { source, backup } = await filled(60_000, indexes);
      const { disk, database } = await smallTablespace(26);
      const target = await database();
      await expect(harness.restore(target, backup)).rejects.toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringMatching(/(?:index_\d|t_pkey).*(?:No space left on device|wrote only)/),
        hint: expect.stringContaining(whatToDo),
      });
      // All rows are there by now, which is why the restore must not end well.
      expect(await harness.sql(target, rows)).toBe(await harness.sql(source, rows));
      await expect(harness.restore(target, backup)).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });

      disk.resize(200);
      const again = await database();
      await harness.restore(again, backup);
      const count = "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid";
      expect(await harness.sql(again, count)).toBe('7');
      expect(await harness.sql(again, rows)).toBe(await harness.sql(source, rows));
    });

    it('is told apart: that of the place that restores from that of the server', async () => {
      const disk = smallDisk(1);
      const { stream } = compressStream(Readable.from([randomBytes(4 * 1024 ** 2)]));
      const opened = SchemaArchive.open(stream, {
        pgRestore: `${harness.bin}/pg_restore`,
        env: {},
        conninfo: '',
        directory: disk.directory,
        signal: new AbortController().signal,
      });
      await expect(opened).rejects.toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringContaining('no room for the definitions'),
        hint: expect.stringContaining('TMPDIR'),
      });
    });

    it('is still called a full disk when it takes the whole server down', async () => {
      const { source, backup } = await filled(200_000);
      const directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-full-log-'));
      chmodSync(directory, 0o755);
      const data = path.join(directory, 'data');
      mkdirSync(data);
      let server: PostgresServer | undefined;
      try {
        server = await startPostgres({ major: 18, dataDirectory: data });
        await server.stop();
        // Room for one segment of the write-ahead log; without a second one the server cannot go on.
        const disk = smallDisk(20);
        const log = path.join(disk.directory, 'pg_wal');
        cpSync(path.join(data, 'pg_wal'), log, { recursive: true });
        rmSync(path.join(data, 'pg_wal'), { recursive: true });
        symlinkSync(log, path.join(data, 'pg_wal'));
        if (isRoot) execFileSync('chown', ['-R', `${nobody}:${nobody}`, log]);
        server = await startPostgres({ major: 18, dataDirectory: data });
        await expect(harness.restore(server.connection, backup, { connections: 1 })).rejects.toMatchObject({
          code: 'DISK_FULL',
          message: expect.stringContaining('pg_wal'),
          hint: expect.stringContaining(whatToDo),
        });
        // Not asked to stop: it is starting again, and may wait for room to do so.
        await server.kill();

        disk.resize(300);
        server = await startPostgres({ major: 18, dataDirectory: data });
        await expect(harness.restore(server.connection, backup)).rejects.toMatchObject({
          code: 'TARGET_NOT_EMPTY',
        });
        await harness.sql(server.connection, 'CREATE DATABASE again TEMPLATE template0');
        const again = server.connectionTo('again');
        await harness.restore(again, backup);
        expect(await harness.sql(again, rows)).toBe(await harness.sql(source, rows));
      } finally {
        await server?.destroy();
        rmSync(directory, { recursive: true, force: true });
      }
    });
  },
);
