import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../../sandbox/postgres/postgres-server.ts';
import { canaryKey } from '../../canary/canary.ts';
import { runSql as sql } from '../../jobs/testing.ts';
import { canarySlots } from './canary.ts';
import { installCanary, openCanaryWriter, readCanaryStatus, removeCanary } from './canary-table.ts';
import type { PostgresConnection } from './connection.ts';

const key = canaryKey(Buffer.alloc(32, 3));
const { signal } = new AbortController();
const writer = 'holdfast_canary_shop-db';
const login = { password: "it's a pass word" };
const installation = { schema: 'holdfast', writer, login };

describe('the canary table', () => {
  let server: PostgresServer;
  let owner: PostgresConnection;
  let asWriter: PostgresConnection;
  beforeAll(async () => {
    server = await startPostgres({ password: 'owner' });
    await sql(server.connection, 'create database shop');
    owner = server.connectionTo('shop');
    asWriter = { ...owner, username: writer, password: login.password };
    await sql(owner, 'create table secrets (x int); create role reader login');
  });
  afterAll(() => server?.destroy());

  const write = async (connection: PostgresConnection, at: string) => {
    const rows = await openCanaryWriter({ connection, signal }, key);
    try {
      return await rows.write(new Date(at));
    } finally {
      await rows.close();
    }
  };
  const status = () => readCanaryStatus({ connection: owner, signal }, key);

  it('is not there before it is installed', async () => {
    await expect(status()).rejects.toMatchObject({ code: 'CANARY_NOT_FOUND' });
  });

  it('is made again without harm, and its writer gets in by password and writes', async () => {
    await installCanary({ connection: owner, signal }, { ...installation, login: { password: 'old' } });
    await installCanary({ connection: owner, signal }, installation);
    const first = await write(asWriter, '2026-01-01T00:00:00.123Z');
    const second = await write(asWriter, '2026-01-01T00:01:00.456Z');
    expect([first.seq, second.seq]).toEqual([1, 2]);
    expect(await status()).toEqual({
      schema: 'holdfast',
      newest: { ...second, verdict: 'valid' },
      newestGenuine: second,
    });
    await expect(write({ ...asWriter, password: 'old' }, '2026-01-01T00:02:00Z')).rejects.toMatchObject({
      code: 'SOURCE_CREDENTIALS',
    });
  });

  it.each([
    'delete from holdfast.canary',
    'truncate holdfast.canary',
    'select from secrets',
    'create table holdfast.more ()',
    'drop table holdfast.canary',
    'create role x',
  ])('lets its writer not do: %s', async (statement) => {
    await expect(sql(asWriter, statement)).rejects.toMatchObject({ code: '42501' });
  });

  it('can be read by any user, so that every backup user can', async () => {
    const reader = { ...asWriter, username: 'reader' };
    await sql(owner, `alter role reader password '${login.password.replaceAll("'", "''")}'`);
    expect(await sql(reader, 'select count(*)::int as n from holdfast.canary')).toEqual([{ n: 2 }]);
    await expect(sql(reader, 'update holdfast.canary set seq = 9')).rejects.toMatchObject({ code: '42501' });
  });

  it('holds a day of rows and no more', async () => {
    await sql(
      owner,
      `insert into holdfast.canary select n % ${canarySlots}, n - ${canarySlots}, now(), 'x' from generate_series(3, ${canarySlots}) n`,
    );
    const third = await write(asWriter, '2026-01-01T00:02:00Z');
    expect(third.seq).toBe(3);
    expect(await sql(owner, 'select count(*)::int as n from holdfast.canary')).toEqual([{ n: canarySlots }]);
    await expect(
      sql(owner, `insert into holdfast.canary values (${canarySlots}, 1, now(), 'x')`),
    ).rejects.toMatchObject({
      code: '23514',
    });
  });

  it('goes on after a forged row with the greatest number there is, and tells it', async () => {
    await sql(
      asWriter,
      `update holdfast.canary set seq = ${Number.MAX_SAFE_INTEGER}, written_at = now(), signature = 'forged' where slot = 900`,
    );
    const next = await write(asWriter, '2026-01-01T00:03:00Z');
    expect(next.seq).toBe(4);
    expect(await status()).toMatchObject({ newest: { verdict: 'invalid' }, newestGenuine: next });
  });

  it('is removed with its role, and leaves what else is in its schema', async () => {
    await sql(owner, 'create table holdfast.kept (x int)');
    const remove = () => removeCanary({ connection: owner, signal }, writer);
    const beside = server.connection;
    await sql(beside, `create table beside (x int); grant select on beside to "${writer}"`);
    expect(await remove()).toEqual({ table: true, role: 'kept' });
    await sql(beside, 'drop table beside');
    expect(await remove()).toEqual({ table: false, role: 'dropped' });
    expect(await remove()).toEqual({ table: false, role: 'none' });
    expect(
      await sql(owner, `select relname from pg_class where relnamespace = 'holdfast'::regnamespace`),
    ).toEqual([{ relname: 'kept' }]);
    expect(await sql(owner, `select from pg_roles where rolname like 'holdfast%'`)).toEqual([]);
    await sql(owner, 'drop table holdfast.kept');
    await installCanary({ connection: owner, signal }, installation);
    await removeCanary({ connection: owner, signal }, writer);
    expect(await sql(owner, `select from pg_namespace where nspname = 'holdfast'`)).toEqual([]);
  });

  it('does not touch a table of somebody else', async () => {
    await sql(owner, 'create schema holdfast; create table holdfast.canary as select 1 as mine');
    await expect(installCanary({ connection: owner, signal }, installation)).rejects.toMatchObject({
      code: 'CANARY_CONFLICT',
    });
    expect((await removeCanary({ connection: owner, signal }, writer)).table).toBe(false);
    expect(await sql(owner, 'table holdfast.canary')).toEqual([{ mine: 1 }]);
    await installCanary({ connection: owner, signal }, { ...installation, schema: 'other' });
    await expect(
      installCanary({ connection: owner, signal }, { ...installation, schema: 'third' }),
    ).rejects.toMatchObject({ code: 'CANARY_CONFLICT' });
    expect(await status()).toEqual({ schema: 'other' });
  });
});
