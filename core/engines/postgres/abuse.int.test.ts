import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ItemInput } from '../../vault/vault.ts';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

describe('postgres backup under abuse', () => {
  let harness: Harness;
  const clients: pg.Client[] = [];
  beforeAll(async () => {
    harness = await Harness.start(18);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    await harness.stop();
  });

  const connect = async (to: PostgresConnection) => {
    const client = new pg.Client({
      host: to.host,
      port: to.port,
      user: to.username,
      password: to.password ?? '',
      database: to.dbname,
    });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  };
  const filled = async (rows = 1000) => {
    const source = await harness.database('source');
    await harness.sql(
      source,
      `CREATE TABLE a AS SELECT i, md5(i::text) AS v FROM generate_series(1, ${rows}) i; CREATE TABLE b AS TABLE a; CREATE TABLE c AS TABLE a`,
    );
    return source;
  };
  /** A step that acts once, at the given moment of the first attempt. */
  const once = (wanted: string, act: () => Promise<unknown>) => {
    let acted = false;
    return async (step: string) => {
      if (step !== wanted || acted) return;
      acted = true;
      await act();
    };
  };

  describe('a schema change in the gap before the locks', () => {
    it('sees a TRUNCATE and a rewriting ALTER that were committed first, in full', async () => {
      const source = await filled();
      const backup = await harness.backup(source, {
        engine: {
          onStep: once('listed', () => harness.sql(source, 'TRUNCATE a; ALTER TABLE b ALTER i TYPE bigint')),
        },
      });
      const target = await harness.database();
      await harness.restore(target, backup);
      expect(
        await harness.sql(
          target,
          'SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b), pg_typeof(i) FROM b LIMIT 1',
        ),
      ).toBe('0|1000|bigint');
    });

    it('lets no TRUNCATE or ALTER pass once the locks are held', async () => {
      const source = await filled();
      const refused: unknown[] = [];
      const attempt = async () => {
        for (const statement of ['TRUNCATE a', 'ALTER TABLE b ALTER i TYPE bigint', 'DROP TABLE c']) {
          await harness
            .sql(source, `SET lock_timeout = '100ms'; ${statement}`)
            .catch((error: { stderr: string }) => refused.push(error.stderr));
        }
      };
      const backup = await harness.backup(source, { engine: { onStep: once('locked', attempt) } });
      expect(refused).toHaveLength(3);
      const target = await harness.database();
      await harness.restore(target, backup);
      expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
    });

    it('begins again when a new table is truncated between the snapshot and its lock', async () => {
      const source = await filled();
      const steps: string[] = [];
      const backup = await harness.backup(source, {
        engine: {
          onStep: async (step) => {
            steps.push(step);
            if (step === 'listed' && steps.length === 1)
              await harness.sql(source, 'CREATE TABLE late AS SELECT generate_series(1, 100) i');
            if (step === 'snapshot' && steps.filter((entry) => entry === 'snapshot').length === 1)
              await harness.sql(source, 'TRUNCATE late; INSERT INTO late VALUES (7)');
          },
        },
      });
      expect(steps.filter((step) => step === 'listed')).toHaveLength(2);
      const target = await harness.database();
      await harness.restore(target, backup);
      expect(await harness.sql(target, 'SELECT i FROM late')).toBe('7');
    });

    it('begins again when a table is dropped or renamed, and takes one that is new', async () => {
      const source = await filled();
      const backup = await harness.backup(source, {
        engine: {
          onStep: once('listed', () =>
            harness.sql(source, 'DROP TABLE a; ALTER TABLE b RENAME TO b2; CREATE TABLE d AS TABLE c'),
          ),
        },
      });
      expect(
        backup.store.items
          .filter((item) => item.kind === 'table')
          .map((item) => item.name)
          .toSorted(),
      ).toEqual(['public.b2', 'public.c', 'public.d']);
      expect(backup.outcome.independentCounts).toHaveLength(3);
      const target = await harness.database();
      await harness.restore(target, backup);
      expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
    });
  });

  describe('a schema change that waits behind the backup', () => {
    const blocked = async (onDdl: 'yield' | 'hold') => {
      const source = await filled();
      const ddl = await connect(source);
      let altered: Promise<unknown> = Promise.resolve();
      let release = () => undefined as void;
      const released = new Promise<void>((resolve) => (release = resolve));
      const store = await harness.store();
      const warnings: string[] = [];
      const running = harness
        .engine({
          ddlPatienceSeconds: 1,
          onStep: once('ready', async () => void (altered = ddl.query('ALTER TABLE c ADD COLUMN extra int'))),
        })
        .backup({
          connection: source,
          connections: 1,
          onDdl,
          signal: new AbortController().signal,
          store: async (item: ItemInput) => {
            if (item.kind === 'table') await released;
            return store.store(item);
          },
          onProgress: () => undefined,
          log: { info: () => undefined, warn: (message) => void warnings.push(message) },
        });
      running.catch(() => undefined);
      return { source, running, release, altered: () => altered, warnings, store };
    };

    it('is given way to with yield', async () => {
      const { source, running, altered, release } = await blocked('yield');
      setTimeout(release, 3000);
      await expect(running).rejects.toMatchObject({ code: 'DDL_YIELDED', detail: { relation: 'public.c' } });
      await altered();
      // The next try, as the job makes it, has what the change made.
      const backup = await harness.backup(source);
      const target = await harness.database();
      await harness.restore(target, backup);
      expect(await harness.sql(target, 'SELECT count(*), count(extra) FROM c')).toBe('1000|0');
      expect(await normalizedDump(harness.bin, target)).toBe(await normalizedDump(harness.bin, source));
    });

    it('waits with hold, even in front of tables that were not copied yet', async () => {
      const { source, running, release, altered, warnings, store } = await blocked('hold');
      for (let tries = 0; tries < 100 && warnings.length === 0; tries += 1)
        await new Promise((resolve) => setTimeout(resolve, 50));
      release();
      const outcome = await running;
      await altered();
      expect(warnings).toContain('a schema change waits behind the backup');
      const target = await harness.database();
      await harness.restore(target, { store, outcome });
      expect(await harness.sql(target, 'SELECT count(*) FROM c')).toBe('1000');
      expect(await harness.sql(target, "SELECT count(*) FROM pg_attribute WHERE attname = 'extra'")).toBe(
        '0',
      );
      expect(await harness.sql(source, "SELECT count(*) FROM pg_attribute WHERE attname = 'extra'")).toBe(
        '1',
      );
    });
  });

  describe('privileges', () => {
    const asUser = async (name: string, grants: string) => {
      const source = await filled();
      await harness.sql(
        source,
        `ALTER TABLE b ENABLE ROW LEVEL SECURITY; CREATE SEQUENCE s; SELECT lo_from_bytea(0, 'x');
        CREATE ROLE ${name} LOGIN PASSWORD 'pw'; ${grants}`,
      );
      return { ...source, username: name, password: 'pw' };
    };

    it('names tables that cannot be read', async () => {
      const user = await asUser('nobody1', '');
      await expect(harness.backup(user)).rejects.toMatchObject({
        code: 'SOURCE_PRIVILEGES',
        message: expect.stringContaining('3 of 3 tables'),
        hint: expect.stringContaining('pg_read_all_data'),
      });
      const probe = await harness.engine().probe(user);
      expect(probe.ok).toBe(false);
      const errors = probe.findings.filter((finding) => finding.severity === 'error');
      expect(errors.map((finding) => finding.message)).toEqual([
        expect.stringContaining('may not read public.a, public.b, public.c'),
        expect.stringContaining('may not read the sequences public.s'),
        expect.stringContaining('row security hides rows of public.b'),
        expect.stringContaining('large objects'),
      ]);
    });

    it('names tables whose rows row security hides, and never stores them as empty', async () => {
      const user = await asUser('nobody2', 'GRANT pg_read_all_data TO nobody2');
      await expect(harness.backup(user)).rejects.toMatchObject({
        code: 'SOURCE_PRIVILEGES',
        message: expect.stringContaining('public.b'),
        hint: expect.stringContaining('BYPASSRLS'),
      });
      expect(
        (await harness.engine().probe(user)).findings.filter((finding) => finding.severity === 'error'),
      ).toHaveLength(1);
    });

    it('needs no superuser, large objects included', async () => {
      const user = await asUser('nobody3', 'GRANT pg_read_all_data TO nobody3; ALTER ROLE nobody3 BYPASSRLS');
      const backup = await harness.backup(user);
      const target = await harness.database();
      await harness.restore(target, backup);
      expect(await normalizedDump(harness.bin, target)).toBe(
        await normalizedDump(harness.bin, { ...harness.server.connection, dbname: user.dbname }),
      );
      expect((await harness.engine().probe(user)).ok).toBe(true);
    });
  });

  describe('passwords', () => {
    it('may hold every special character, and are never seen in a process list or an environment', async () => {
      const source = await filled();
      const password = `p:a\\ss'w"o r$d%ü🙂#:\\\\{}&=/@?*secret`;
      const admin = await connect(source);
      await admin.query(
        `CREATE ROLE "sp:ecial \\ user" SUPERUSER LOGIN PASSWORD ${admin.escapeLiteral(password)}`,
      );
      const user = { ...source, username: 'sp:ecial \\ user', password };
      const seen: string[] = [];
      const look = () => {
        for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
          for (const file of ['cmdline', 'environ']) {
            try {
              const text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
              if (text.includes('dbname=')) seen.push(text);
            } catch {
              // It ended, or is another user's.
            }
          }
        }
      };
      const store = await harness.store();
      const looking = setInterval(look, 5);
      const outcome = await harness.engine().backup({
        connection: user,
        connections: 2,
        onDdl: 'hold',
        signal: new AbortController().signal,
        onProgress: () => undefined,
        log: { info: () => undefined, warn: () => undefined },
        store: (item) => store.store(item),
      });
      const target = { ...(await harness.database()), username: user.username, password };
      await harness.restore(target, { store, outcome });
      clearInterval(looking);
      expect(await harness.sql(source, 'SELECT 1')).toBe('1');
      expect(seen.length).toBeGreaterThan(0);
      expect(seen.filter((text) => text.includes('secret'))).toEqual([]);
      expect(JSON.stringify([outcome, store.items])).not.toContain('secret');
      expect(await harness.sql({ ...source, dbname: target.dbname }, 'SELECT count(*) FROM a')).toBe('1000');
    });

    it('are reported as wrong, without being shown', async () => {
      const source = await filled();
      await expect(harness.backup({ ...source, password: 'wrong-one' })).rejects.toMatchObject({
        code: 'SOURCE_CREDENTIALS',
        message: expect.not.stringContaining('wrong-one'),
      });
    });
  });

  describe('a server that is not there', () => {
    it('is unreachable when nothing listens', async () => {
      await expect(harness.engine().probe({ ...harness.server.connection, port: 1 })).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
      });
    });

    it('is refused when it offers no TLS and the plan asks for it', async () => {
      await expect(
        harness.engine().probe({ ...harness.server.connection, tls: 'require' }),
      ).rejects.toMatchObject({ code: 'SOURCE_TLS' });
    });

    it('is given up when it stops answering in the middle of a table', async () => {
      const source = await filled(200_000);
      let stopped: string[] = [];
      const pids = async (condition: string) =>
        (
          await harness.sql(
            source,
            `SELECT pid FROM pg_stat_activity WHERE datname = '${source.dbname}' AND application_name LIKE 'holdfast-%' AND ${condition}`,
          )
        )
          .split('\n')
          .filter((pid) => pid !== '');
      try {
        const running = harness.backup(source, {
          connections: 1,
          engine: {
            idleSeconds: 2,
            onStep: once('ready', async () => {
              stopped = await pids("state = 'idle in transaction' AND query = 'SAVEPOINT part'");
              for (const pid of stopped) process.kill(Number(pid), 'SIGSTOP');
            }),
          },
        });
        await expect(running).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
        expect(stopped.length).toBeGreaterThan(0);
      } finally {
        for (const pid of stopped) process.kill(Number(pid), 'SIGCONT');
      }
    });

    it('fails a backup whose copy is cut off', async () => {
      const source = await filled(400_000);
      const store = await harness.store();
      let ended = 0;
      const running = harness.engine().backup({
        connection: source,
        connections: 1,
        onDdl: 'hold',
        signal: new AbortController().signal,
        onProgress: () => undefined,
        log: { info: () => undefined, warn: () => undefined },
        store: async (item) => {
          if (item.kind === 'table') {
            // The server has more to send than the connection can hold, so it is still at it.
            await new Promise((resolve) => setTimeout(resolve, 300));
            const cut = await harness.sql(
              source,
              "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY %' AND state = 'active'",
            );
            ended += Number(cut);
          }
          return store.store(item);
        },
      });
      await expect(running).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        message: expect.stringMatching(/^cannot copy public\.a(#\d)?: /),
      });
      expect(ended).toBe(1);
    });
  });
});
