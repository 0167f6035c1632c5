import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CliResult } from './testing/run-cli.ts';
import { password, type Shop, startShop } from './testing/shop.ts';

let shop: Shop;
let home: string;
const query: Shop['query'] = (dbname, text) => shop.query(dbname, text);
const cli: Shop['cli'] = (args, options) => shop.cli(args, options);
const url = (dbname: string) => shop.url(dbname);
const backup = (more = '') =>
  cli(`local backup --engine postgres --url ${url('shop')} --vault vault --source shop-db --json${more}`);
/** What a command that should have succeeded said instead. */
const failureOf = ({ code, stdout, stderr }: CliResult) => (code === 0 ? '' : `${code}: ${stdout}${stderr}`);

beforeAll(async () => {
  shop = await startShop();
  home = shop.home;
});
afterAll(() => shop?.destroy());

describe('holdfast local', () => {
  let id: string;

  it('backs up, makes the key outside the vault and says where', async () => {
    const result = await backup();
    expect(failureOf(result)).toBe('');
    const document = result.json();
    expect(Object.keys(document)).toEqual([
      'recoveryPointId',
      'source',
      'items',
      'rows',
      'bytes',
      'storedBytes',
      'seconds',
    ]);
    expect(document).toMatchObject({ source: 'shop-db', rows: 2500 });
    id = document.recoveryPointId;
    const key = path.join(home, '.config/holdfast/vault.key');
    expect(fs.statSync(key).mode & 0o777).toBe(0o600);
    expect(result.stderr).toContain(`made the key file ${key}`);
  });

  it('lists what is there, newest first', async () => {
    const second = (await backup()).json().recoveryPointId;
    const result = await cli('local list --vault vault --json');
    expect(result.code).toBe(0);
    expect(result.stderr).toBe('');
    expect(result.json().map((point: any) => point.recoveryPointId)).toEqual([second, id]);
    expect(Object.keys(result.json()[0])).toEqual([
      'recoveryPointId',
      'source',
      'type',
      'finishedAt',
      'items',
      'storedBytes',
    ]);
  });

  it('takes the password from PGPASSWORD, from PGPASSFILE and the URL from standard input', async () => {
    const args = `local backup --engine postgres --vault vault2 --source shop-db --json --url`;
    expect((await cli(`${args} ${shop.bareUrl('shop')}`, { env: { PGPASSWORD: password } })).code).toBe(0);
    const escaped = password.replaceAll('\\', '\\\\').replaceAll(':', '\\:');
    const file = path.join(home, 'pgpass');
    fs.writeFileSync(
      file,
      `other:5432:*:postgres:wrong\n127.0.0.1:${shop.server.port}:*:postgres:${escaped}\n`,
      {
        mode: 0o600,
      },
    );
    expect((await cli(`${args} ${shop.bareUrl('shop')}`, { env: { PGPASSFILE: file } })).code).toBe(0);
    fs.chmodSync(file, 0o644);
    expect(
      (await cli(`${args} ${shop.bareUrl('shop')}`, { env: { PGPASSFILE: file } })).json().error.code,
    ).toBe('SOURCE_CREDENTIALS');
    expect((await cli(`${args} -`, { stdin: `${url('shop')}\n` })).code).toBe(0);
  });

  it('verifies, and names what is damaged', async () => {
    const good = await cli('local verify latest --vault vault2 --source shop-db --json');
    expect([good.code, good.json()]).toEqual([0, { ok: true, problems: [] }]);
    const points = (await cli('local list --vault vault2 --json')).json();
    const folder = path.join(home, 'vault2/v1/shop-db', points[0].recoveryPointId, 'data');
    const name = fs.readdirSync(folder).find((entry) => entry.includes('orders'))!;
    const file = path.join(folder, name);
    const bytes = fs.readFileSync(file);
    bytes[bytes.length >> 1]! ^= 1;
    fs.chmodSync(file, 0o600);
    fs.writeFileSync(file, bytes);
    const bad = await cli('local verify latest --vault vault2 --source shop-db --json');
    expect(bad.code).toBe(1);
    expect(bad.json()).toEqual({
      ok: false,
      problems: [{ key: expect.stringContaining(name), code: 'OBJECT_CORRUPT', detail: expect.any(String) }],
    });
    await query('postgres', 'create database untouched');
    const restore = await cli(
      `local restore latest --vault vault2 --source shop-db --to ${url('untouched')} --json`,
    );
    expect([restore.code, restore.json().error.code]).toEqual([1, 'OBJECT_CORRUPT']);
    expect(
      await query('untouched', "select from pg_class where relnamespace = 'public'::regnamespace"),
    ).toEqual([]);
  });

  it('restores everything into an empty database', async () => {
    await query('postgres', 'create database restored');
    const result = await cli(
      `local restore ${id} --vault file://${home}/vault --source shop-db --to ${url('restored')} --json`,
    );
    expect(failureOf(result)).toBe('');
    expect(result.json()).toMatchObject({
      recoveryPointId: id,
      rows: 2500,
      items: expect.any(Number),
      seconds: expect.any(Number),
      checks: expect.arrayContaining([{ name: 'row counts', ok: true, detail: expect.any(String) }]),
      warnings: [],
      faults: [],
      notChecked: [
        expect.stringMatching(/^canary: none installed.*; holdfast local canary install --source shop-db$/),
      ],
      recoveredTo: { at: expect.any(String), by: 'snapshot' },
    });
    const sum = 'select count(*)::int as n, sum(total)::float as total from orders';
    expect(await query('restored', sum)).toEqual(await query('shop', sum));
    expect(await query('restored', 'table customers order by id limit 1')).toEqual([
      { id: 1, name: 'customer 1' },
    ]);
  });

  it('restores one table', async () => {
    await query('postgres', 'create database part');
    const result = await cli(
      `local restore latest --vault vault --source shop-db --to ${url('part')} --table public.customers --json`,
    );
    expect(failureOf(result)).toBe('');
    expect(result.json().rows).toBe(500);
    expect(
      await query(
        'part',
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
      ),
    ).toEqual([{ relname: 'customers' }]);
  });

  it('installs a canary, measures loss by it, and sees who wrote it', async () => {
    await query('postgres', 'create database measured');
    const canary = (words: string) => cli(`local canary ${words} --key-file canary.key --json`);
    const of = `--source shop-db --url ${url('measured')}`;
    expect((await canary(`install --url ${url('measured')}`)).json().error).toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('--source'),
    });
    expect((await canary(`install ${of} --schema Bad`)).json().error.code).toBe('USAGE');
    expect(failureOf(await canary(`install ${of}`))).toBe('');
    expect((await canary(`status ${of}`)).code).toBe(1);
    const written = await canary(
      `write --source shop-db --url postgres://127.0.0.1:${shop.server.port}/measured`,
    );
    expect([written.code, written.json()]).toEqual([0, { seq: 1, writtenAt: expect.any(String) }]);
    expect((await canary(`status ${of}`)).json()).toMatchObject({ ok: true, schema: 'holdfast' });
    const vault = '--vault measured --source shop-db --key-file canary.key --json';
    await cli(`local backup --url ${url('measured')} ${vault} --engine postgres`);
    await query('postgres', 'create database measured_1');
    const restored = (await cli(`local restore latest --to ${url('measured_1')} ${vault}`)).json();
    expect(restored).toMatchObject({
      recoveredTo: { at: written.json().writtenAt, by: 'canary' },
      measuredRpoSeconds: expect.any(Number),
      notChecked: [],
    });
    // The same rows in a database that is backed up as another source: as if carried there.
    expect((await canary(`status --source crm-db --url ${url('measured')}`)).json()).toMatchObject({
      ok: false,
      newest: { verdict: 'unknownKey' },
    });
    const crm = vault.replace('shop-db', 'crm-db');
    await cli(`local backup --url ${url('measured')} ${crm} --engine postgres`);
    await query('postgres', 'create database measured_3');
    const carried = await cli(`local restore latest --to ${url('measured_3')} ${crm}`);
    expect(carried.json()).toMatchObject({
      recoveredTo: { by: 'snapshot' },
      notChecked: [expect.stringMatching(/^canary signature: it was signed with another key/)],
    });
    await query('measured', `update holdfast.canary set seq = 2, written_at = now()`);
    expect((await canary(`status ${of}`)).json()).toMatchObject({
      ok: false,
      newest: { verdict: 'invalid' },
    });
    await cli(`local backup --url ${url('measured')} ${vault} --engine postgres`);
    await query('postgres', 'create database measured_2');
    const forged = await cli(`local restore latest --to ${url('measured_2')} ${vault}`);
    expect([forged.code, forged.stdout]).toEqual([1, expect.stringContaining('CHECK_FAILED')]);
    expect(forged.json().error).toMatchObject({
      code: 'CHECK_FAILED',
      result: { recoveredTo: { by: 'snapshot' } },
    });
    expect(await query('measured_2', 'select seq::int from holdfast.canary')).toEqual([{ seq: 2 }]);
    expect((await cli(`local canary remove --url ${url('measured')} --json`)).json()).toEqual({
      table: true,
      role: 'kept',
    });
  });

  it('refuses a target that holds a table and leaves it as it was', async () => {
    await query('postgres', 'create database full_');
    await query('full_', 'create table kept as select 1 as x');
    const result = await cli(
      `local restore latest --vault vault --source shop-db --to ${url('full_')} --json`,
    );
    expect([result.code, result.json().error.code]).toEqual([4, 'TARGET_NOT_EMPTY']);
    expect(await query('full_', 'table kept')).toEqual([{ x: 1 }]);
    expect(
      await query(
        'full_',
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
      ),
    ).toEqual([{ relname: 'kept' }]);
  });

  it('ends with code 5 when an object is missing although all rows are in, strict or not', async () => {
    await query('postgres', 'create database orphans');
    await query(
      'orphans',
      `create table parent (id int primary key); create table child (parent int references parent);
       set session_replication_role = replica; insert into child values (2)`,
    );
    const made = await cli(
      `local backup --engine postgres --url ${url('orphans')} --vault vault --source orphans`,
    );
    expect(failureOf(made)).toBe('');
    const restore = async (name: string, more: string) => {
      await query('postgres', `create database ${name}`);
      const from = `local restore latest --vault vault --source orphans --to ${url(name)}`;
      const result = await cli(`${from}${more}`);
      expect(await query(name, 'table child')).toEqual([{ parent: 2 }]);
      return result;
    };
    const text = await restore('faulty_a', '');
    expect(text.code).toBe(5);
    expect(text.stdout).toContain(
      'restored with faults: every row is in, and 1 object is not as in the source',
    );
    expect(text.stdout).toContain(
      '    FK CONSTRAINT public.child child_parent_fkey: insert or update on table',
    );
    const json = await restore('faulty_b', ' --json');
    expect([json.code, json.json().faults.length, json.json().faults[0].sqlState]).toEqual([5, 1, '23503']);
    const strict = await restore('faulty_c', ' --strict --json');
    expect([strict.code, strict.json().error.code]).toEqual([5, 'RESTORED_WITH_FAULTS']);
  });

  it('refuses the wrong key and makes no new one for a vault that has points', async () => {
    await cli(
      `local backup --engine postgres --url ${url('shop')} --vault other --source x1 --key-file keys/other.key`,
    );
    const wrong = await cli(
      'local verify latest --vault vault --source shop-db --key-file keys/other.key --json',
    );
    expect([wrong.code, wrong.json().error.code]).toEqual([4, 'KEY_MISMATCH']);
    const missing = await backup(' --key-file keys/new.key');
    expect([missing.code, missing.json().error.code]).toEqual([2, 'KEY_FILE_INVALID']);
    expect(fs.existsSync(path.join(home, 'keys/new.key'))).toBe(false);
    const inside = await backup(' --key-file vault/my.key');
    expect([inside.code, inside.json().error.code]).toEqual([2, 'USAGE']);
    expect(fs.existsSync(path.join(home, 'vault/my.key'))).toBe(false);
  });

  it.each<[args: string, code: number, error: string]>([
    [
      'local restore 01ARZ3NDEKTSV4RRFFQ69G5FAV --vault vault --source shop-db --to postgres://h/x',
      3,
      'MANIFEST_NOT_FOUND',
    ],
    ['local verify nonsense --vault vault --source shop-db', 3, 'RECOVERY_POINT_NOT_FOUND'],
    ['local verify latest --vault vault --source nobody', 3, 'SOURCE_NOT_FOUND'],
    ['local list --vault vault --source nobody', 3, 'SOURCE_NOT_FOUND'],
    ['local list --vault ftp://host/x', 2, 'USAGE'],
    ['local list', 2, 'USAGE'],
    ['local nonsense', 2, 'USAGE'],
    ['nonsense', 2, 'USAGE'],
    ['local list --vault vault --colour', 2, 'USAGE'],
    ['local backup --engine oracle --url postgres://h/x --vault v --source s1', 2, 'USAGE'],
    ['local backup --engine mysql --url postgres://h/x --vault v --source s1', 2, 'NOT_SUPPORTED_YET'],
    ['local backup --engine postgres --url http://u:sesame@h/x --vault v --source s1', 2, 'USAGE'],
    [
      'local backup --engine postgres --url postgres://u:sesame@h/x?sslmode=prefer --vault v --source s1',
      2,
      'USAGE',
    ],
    ['local backup --engine postgres --url postgres://u:%zz@h/x --vault v --source s1', 2, 'USAGE'],
    ['local backup --engine postgres --url postgres://h/x --vault v --source S_1', 2, 'USAGE'],
    ['local backup --engine postgres --url postgres://h/x --vault v --source s1 --connections 0', 2, 'USAGE'],
    ['local backup --url postgres://u:sesame@127.0.0.1:1/x --vault v --source s1', 1, 'SOURCE_UNREACHABLE'],
    [
      'local restore latest --vault vault --source shop-db --to postgres://u:sesame@127.0.0.1:1/x',
      1,
      'TARGET_UNREACHABLE',
    ],
  ])('%s ends with %d and %s', async (args, code, error) => {
    const result = await cli(`${args} --json`);
    expect([result.code, result.json().error?.code]).toEqual([code, error]);
    expect(result.stdout + result.stderr).not.toContain('sesame');
    const text = await cli(args);
    expect([text.code, text.stdout]).toEqual([code, '']);
    expect(text.stderr).toContain(`(${error})`);
  });
});
