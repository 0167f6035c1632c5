import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import type { PostgresMajor } from '../../../sandbox/postgres/postgres-server.ts';
import { HoldfastError } from '../../errors.ts';
import type { PostgresConnection, ShortLivedPassword } from './connection.ts';
import { openLibpq } from './libpq.ts';
import { Session } from './session.ts';
import { Harness } from './testing/harness.ts';

const role = 'token_user';
const lock = 42;

/** As long as a token of RDS with a session's credentials, and with its signs. */
const newToken = () =>
  `db.example:5432/?Action=connect&DBUser=${role}&X-Amz-Security-Token=${randomBytes(700).toString('base64')}%2F`;

/** A server's user whose password changes, so that only whoever asks anew gets in. */
class Tokens implements ShortLivedPassword {
  readonly renewSeconds = 0.05;
  asked = 0;
  failing = false;
  current = '';
  readonly #admin: Harness;

  constructor(admin: Harness) {
    this.#admin = admin;
  }

  async ask(): Promise<string> {
    this.asked += 1;
    if (this.failing) throw new HoldfastError('SOURCE_CREDENTIALS', 'no token today');
    return this.current;
  }

  async rotate(): Promise<void> {
    const next = newToken();
    await this.#admin.sql(this.#admin.server.connection, `ALTER ROLE ${role} PASSWORD '${next}'`);
    this.current = next;
  }
}

/** Password files of this process that hold a text. */
function filesWith(text: string): string[] {
  const escaped = text.replaceAll(':', '\\:');
  return readdirSync(os.tmpdir())
    .filter((name) => name.startsWith(`holdfast-pg-${process.pid}-`))
    .map((name) => path.join(os.tmpdir(), name, 'pgpass'))
    .filter((file) => readFileSync(file, 'utf8').includes(escaped));
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(20);
}

// The oldest and the newest client programs.
describe.each<PostgresMajor>([14, 18])('a short-lived password on PostgreSQL %i', (major) => {
  let harness: Harness;
  let tokens: Tokens;
  let source: PostgresConnection;
  const sessions: Session[] = [];

  beforeAll(async () => {
    harness = await Harness.start(major);
    tokens = new Tokens(harness);
    await harness.sql(harness.server.connection, `CREATE ROLE ${role} LOGIN SUPERUSER`);
    await tokens.rotate();
    source = await withTokens();
  });
  afterEach(async () => {
    tokens.failing = false;
    for (const session of sessions.splice(0)) await session.close();
  });
  afterAll(() => harness.stop());

  async function withTokens(): Promise<PostgresConnection> {
    const { password: _, ...rest } = await harness.database();
    return { ...rest, username: role, shortLivedPassword: tokens };
  }
  async function connect(to: PostgresConnection): Promise<Session> {
    const session = await Session.connect(to, { signal: new AbortController().signal, answerSeconds: 10 });
    sessions.push(session);
    return session;
  }

  it('is asked for before each connection of the driver, and never used twice', async () => {
    const first = tokens.current;
    const before = tokens.asked;
    const open = await connect(source);
    await tokens.rotate();
    await connect(source);
    expect(tokens.asked).toBe(before + 2);
    // The old one opens nothing any more, and what it opened lives on.
    const stale = { ...source, shortLivedPassword: undefined, password: first };
    await expect(connect(stale as PostgresConnection)).rejects.toMatchObject({ code: 'SOURCE_CREDENTIALS' });
    expect(await open.one('select 1 as one')).toEqual({ one: 1 });
  });

  it('fails the connection with its own code when it cannot be had', async () => {
    tokens.failing = true;
    await expect(connect(source)).rejects.toMatchObject({
      code: 'SOURCE_CREDENTIALS',
      message: 'no token today',
    });
  });

  it('is renewed in the password file, also after a try that failed, until the file is disposed of', async () => {
    const access = await openLibpq(source, { searchPath: '/usr/bin' });
    tokens.failing = true;
    await tokens.rotate();
    const before = tokens.asked;
    await until(() => tokens.asked > before + 1);
    expect(filesWith(tokens.current)).toEqual([]);
    tokens.failing = false;
    await until(() => filesWith(tokens.current).length === 1);
    await access.dispose();
    const after = tokens.asked;
    await sleep(200);
    expect(tokens.asked).toBe(after);
    expect(filesWith('')).toEqual([]);
  });

  it('lets pg_restore connect once more after an index that took longer than it lasts', async () => {
    await harness.sql(
      adminOf(source),
      `CREATE FUNCTION public.slow(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
         $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(${lock}); RETURN a; END $$;
       CREATE TABLE public.t AS SELECT a FROM generate_series(1, 100) AS a;
       CREATE INDEX t_slow ON public.t (public.slow(a)); CREATE INDEX t_quick ON public.t (a)`,
    );
    const backup = await harness.backup(source);
    await tokens.rotate();
    const target = await withTokens();
    const { host, port, dbname, username, password } = adminOf(target);
    const holder = new pg.Client({ host, port, user: username, password: password ?? '', database: dbname });
    await holder.connect();
    await holder.query(`SELECT pg_advisory_lock(${lock})`);
    const restoring = harness.restore(target, backup);
    restoring.catch(() => undefined);
    try {
      await until(async () => {
        const waiting = await holder.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'",
        );
        return waiting.rowCount === 1;
      });
      await tokens.rotate();
      await until(() => filesWith(tokens.current).length === 1);
    } finally {
      await holder.end();
    }
    const outcome = await restoring;
    expect(outcome.warnings).toEqual([]);
    const indexes =
      "SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE tablename = 't'";
    expect(await harness.sql(adminOf(target), indexes)).toBe('t_quick,t_slow');
    expect(await harness.sql(adminOf(target), 'SELECT sum(a) FROM public.t')).toBe('5050');
  });

  function adminOf({ dbname }: PostgresConnection): PostgresConnection {
    return harness.server.connectionTo(dbname);
  }
});
