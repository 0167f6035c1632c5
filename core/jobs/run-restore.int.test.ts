import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ulid } from 'ulid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  postgresBinDirectory,
  type PostgresServer,
  startPostgres,
} from '../../sandbox/postgres/postgres-server.ts';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import type { JobKind } from '../catalog/job.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import type { PostgresConnection } from '../engines/postgres/connection.ts';
import { createPostgresEngine } from '../engines/postgres/postgres-engine.ts';
import { HoldfastError } from '../errors.ts';
import { openVault } from '../vault/open-vault.ts';
import type { Manifest } from '../vault/manifest.ts';
import type { Vault } from '../vault/vault.ts';
import { finishJob } from './finish-job.ts';
import { runBackup } from './run-backup.ts';
import type { RestoreJob } from './restore-and-check.ts';
import { runRestore } from './run-restore.ts';
import { runRestoreTest, type RestoreTestJob } from './run-restore-test.ts';
import { postgresScratch } from './scratch-server.ts';
import { runSql as sql } from './testing.ts';

const source = 'shop-db';
const ref = (id: string) => ({ source, id });
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-restore-'));
const silent = { info: () => undefined, warn: () => undefined };

let server: PostgresServer;
let vault: Vault;
let catalog: CatalogStore;
let point: RecoveryPoint;
let databases = 0;

beforeAll(async () => {
  server = await startPostgres();
  fs.mkdirSync(path.join(directory, 'vault'));
  const keys = { kind: 'key-file' as const, path: path.join(directory, 'key'), create: true };
  vault = await openVault({ url: path.join(directory, 'vault'), keys });
  await sql(
    server.connection,
    `create table customers (id bigint primary key, name text);
     create table orders (id bigint primary key, customer bigint references customers, total numeric);
     insert into customers select n, 'c' || n from generate_series(1, 100) n;
     insert into orders select n, 1 + n % 100, n from generate_series(1, 5000) n`,
  );
  catalog = await newCatalog();
  const jobId = await claim('backup');
  point = await runBackup({ ...context(jobId), onDdl: 'hold', connect: async () => server.connection });
});

afterAll(async () => {
  await server?.destroy();
  fs.rmSync(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  catalog = await newCatalog();
  await catalog.putRecoveryPoint(point);
});

async function newCatalog(): Promise<CatalogStore> {
  const store = createMemoryCatalogStore();
  await store.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
  return store;
}

async function claim(kind: JobKind): Promise<string> {
  const now = new Date();
  const leaseUntil = new Date(now.getTime() + 60_000);
  const common = {
    source,
    region: 'us-east-1',
    owner: 'execution-1',
    epoch: 1,
    scheduledFor: now,
    now,
    leaseUntil,
  };
  const jobId = ulid();
  await catalog.claim({ ...common, jobId, kind, recoveryPointId: kind === 'backup' ? ulid() : point.id });
  return jobId;
}

function context(jobId: string) {
  return {
    catalog,
    vault,
    engine: createPostgresEngine({ binDirectory: () => postgresBinDirectory(18) }),
    jobId,
    source,
    region: 'us-east-1',
    connections: 2,
    progressSeconds: 0.1,
    signal: new AbortController().signal,
    log: silent,
    now: () => new Date(),
    assertions: [],
  };
}

async function newDatabase(): Promise<PostgresConnection> {
  databases += 1;
  await sql(server.connection, `create database target_${databases} template template0`);
  return server.connectionTo(`target_${databases}`);
}

const countOrders = (connection: PostgresConnection) =>
  sql(connection, 'select count(*)::int as n from orders');

/** Flips one bit of a stored object and gives back how to undo it. */
function damage(item: Manifest['items'][number]): () => void {
  const file = path.join(directory, 'vault', item.key);
  const before = fs.readFileSync(file);
  const after = Buffer.from(before);
  after[after.length >> 1]! ^= 1;
  fs.chmodSync(file, 0o600);
  fs.writeFileSync(file, after);
  return () => fs.writeFileSync(file, before);
}

describe('runRestore', () => {
  const restore = async (
    connection: PostgresConnection,
    tables?: string[],
    change: Partial<RestoreJob<PostgresConnection>> = {},
  ) => {
    const jobId = await claim('restore');
    const job = { ...context(jobId), recoveryPointId: point.id, connect: async () => connection, ...change };
    return { jobId, done: runRestore({ ...job, ...(tables && { tables }) }) };
  };

  it('says which newer points were passed over, before and after', async () => {
    const said: string[] = [];
    const target = await newDatabase();
    const jobId = await claim('restore');
    const result = await runRestore({
      ...context(jobId),
      log: { info: () => undefined, warn: (message) => said.push(message) },
      recoveryPointId: point.id,
      tables: ['public.customers'],
      connect: async () => {
        expect(said).toHaveLength(1);
        return target;
      },
      passedOver: [{ id: 'newer', code: 'MANIFEST_SIGNATURE' }],
    });
    const warning = 'newer recovery point newer was passed over: MANIFEST_SIGNATURE';
    expect(said).toContain(warning);
    expect(result.warnings).toContain(warning);
  });

  it('restores everything, tells its phases and completes the job', async () => {
    const target = await newDatabase();
    const { jobId, done } = await restore(target);
    const result = await done;
    expect(result).toMatchObject({ recoveryPointId: point.id, rows: 5100 });
    expect(result.phases?.[0]).toMatchObject({ name: 'check objects' });
    expect(result.phases!.length).toBeGreaterThan(2);
    expect(await countOrders(target)).toEqual([{ n: 5000 }]);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({ state: 'completed', result: { rows: 5100 } });
  });

  it('ends with the checks and says how far the data reaches', async () => {
    const target = await newDatabase();
    const assertions = [{ name: 'orders are there', sql: 'select count(*) = 5000 from orders' }];
    const { jobId, done } = await restore(target, undefined, { assertions, assertionsLeftOut: 2 });
    const result = await done;
    expect(result.checks?.map(({ name, ok }) => [name, ok])).toEqual([
      ['row counts', true],
      ['foreign keys', true],
      ['sampled rows', true],
      ['orders are there', true],
    ]);
    const { manifest } = await vault.open(source, point.id);
    expect(result.recoveredTo).toEqual({ at: manifest.position['snapshotTime'], by: 'snapshot' });
    expect(result.measuredRpoSeconds).toBeUndefined();
    expect(result.notChecked).toEqual([
      `canary: none installed, so loss is measured by the snapshot only; holdfast canary install ${source}`,
      expect.stringMatching(/^2 assertions of the plan: too long/),
    ]);
    expect(result.phases?.at(-1)?.name).toBe('check data');
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'completed',
      result: { checks: result.checks },
    });
  });

  it('fails when a check does not hold, records every check, and leaves the data', async () => {
    const target = await newDatabase();
    const assertions = [{ name: 'no orders', sql: 'select count(*) = 0 from orders' }];
    const { jobId, done } = await restore(target, undefined, { assertions });
    const failed = { name: 'no orders', ok: false, detail: 'does not hold' };
    const result = { checks: expect.arrayContaining([failed]), rows: 5100 };
    await expect(done).rejects.toMatchObject({ code: 'CHECK_FAILED', detail: { result } });
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      error: { code: 'CHECK_FAILED', hint: expect.stringContaining('stays there') },
      result,
    });
    expect(await countOrders(target)).toEqual([{ n: 5000 }]);
  });

  it('checks single tables as far as they go, and names what that leaves out', async () => {
    const target = await newDatabase();
    const assertions = [{ name: 'of all', sql: 'select false' }];
    const result = await (await restore(target, ['public.orders'], { assertions })).done;
    expect(result.checks?.map(({ name, ok }) => [name, ok])).toEqual([
      ['row counts', true],
      ['foreign keys', true],
      ['sampled rows', true],
    ]);
    expect(result.notChecked).toEqual(
      expect.arrayContaining([
        'everything but public.orders: not restored',
        '1 assertion of the plan: for the whole database',
      ]),
    );
  });

  it('restores one table when asked for one', async () => {
    const target = await newDatabase();
    await (
      await restore(target, ['public.customers'])
    ).done;
    expect(
      await sql(
        target,
        `select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
      ),
    ).toEqual([{ relname: 'customers' }]);
    expect(await sql(target, 'select count(*)::int as n from customers')).toEqual([{ n: 100 }]);
  });

  it('speaks of the target, not of the source, when the target lets nobody in', async () => {
    const target = await newDatabase();
    const refusal = async (change: Partial<PostgresConnection>) => {
      catalog = await newCatalog();
      const { done } = await restore({ ...target, ...change }, ['public.customers']);
      const error = await done.then(
        () => undefined,
        (reason: HoldfastError) => reason,
      );
      expect(error?.hint).toMatch(/\?$/);
      return error?.code;
    };
    expect(await refusal({ port: 1 })).toBe('TARGET_UNREACHABLE');
    expect(await refusal({ password: 'wrong' })).toBe('TARGET_CREDENTIALS');
    expect(await refusal({ tls: 'require' })).toBe('TARGET_TLS');
  });

  it('refuses a target that holds a table and leaves it as it was', async () => {
    const target = await newDatabase();
    await sql(target, `create table kept as select 1 as x`);
    const { jobId, done } = await restore(target);
    await expect(done).rejects.toMatchObject({ code: 'TARGET_NOT_EMPTY' });
    expect(await sql(target, 'table kept')).toEqual([{ x: 1 }]);
    expect(
      await sql(
        target,
        `select count(*)::int as n from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
      ),
    ).toEqual([{ n: 1 }]);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({ state: 'running' });
  });

  it('restores a table although an object of another one is damaged, and not the damaged one', async () => {
    const target = await newDatabase();
    const { manifest } = await vault.open(source, point.id);
    const repair = damage(manifest.items.find(({ name }) => name.includes('orders'))!);
    try {
      await (
        await restore(target, ['public.customers'])
      ).done;
      const { done } = await restore(target, ['public.orders']);
      await expect(done).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
    } finally {
      repair();
    }
    expect(await sql(target, 'select count(*)::int as n from customers')).toEqual([{ n: 100 }]);
    expect(await sql(target, `select to_regclass('public.orders') as found`)).toEqual([{ found: null }]);
  });

  it('refuses a table that the point does not hold and leaves the target as it was', async () => {
    const target = await newDatabase();
    const { done } = await restore(target, ['public.custom']);
    await expect(done).rejects.toMatchObject({ code: 'ITEM_NOT_FOUND' });
    expect(await sql(target, `select count(*)::int as n from pg_class where oid >= 16384`)).toEqual([
      { n: 0 },
    ]);
  });

  it('refuses an order from before a failover', async () => {
    const target = await newDatabase();
    const { done } = await (async () => {
      const jobId = await claim('restore');
      await catalog.setControl({ activeRegion: 'us-west-2', epoch: 2 }, 1);
      return {
        done: runRestore({ ...context(jobId), recoveryPointId: point.id, connect: async () => target }),
      };
    })();
    await expect(done).rejects.toMatchObject({ code: 'STALE_EPOCH' });
    expect(await sql(target, `select count(*)::int as n from pg_class where oid >= 16384`)).toEqual([
      { n: 0 },
    ]);
  });
});

describe('a source with a row that has no parent', () => {
  let orphaned: RecoveryPoint;
  const fault = {
    object: 'FK CONSTRAINT public.child child_parent_fkey',
    message: 'insert or update on table "child" violates foreign key constraint "child_parent_fkey"',
    sqlState: '23503',
  };
  beforeAll(async () => {
    const from = await newDatabase();
    await sql(
      from,
      `create table parent (id int primary key); create table child (parent int references parent);
       insert into parent values (1); insert into child values (1);
       set session_replication_role = replica; insert into child values (2)`,
    );
    catalog = await newCatalog();
    const jobId = await claim('backup');
    orphaned = await runBackup({ ...context(jobId), onDdl: 'hold', connect: async () => from });
  });
  beforeEach(() => catalog.putRecoveryPoint(orphaned));

  it('is restored with all rows, and the job names the key that does not hold', async () => {
    const [jobId, target] = [await claim('restore'), await newDatabase()];
    const connect = async () => target;
    const result = await runRestore({ ...context(jobId), recoveryPointId: orphaned.id, connect });
    expect(result.faults).toEqual([fault]);
    expect(result.checks?.filter(({ ok }) => !ok)).toEqual([]);
    expect(await sql(target, 'select count(*)::int as n from child')).toEqual([{ n: 2 }]);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'completed',
      result: { faults: [fault] },
    });
    const { reply, metrics } = await finishJob({ catalog, now: () => new Date() }, ref(jobId));
    expect(reply.faults).toBe(1);
    expect(metrics).toContainEqual({ name: 'restore_faults', unit: 'Count', value: 1, source });
  });

  it('fails a strict restore, which leaves the rows and records the fault', async () => {
    const [jobId, target] = [await claim('restore'), await newDatabase()];
    const job = {
      ...context(jobId),
      recoveryPointId: orphaned.id,
      connect: async () => target,
      strict: true,
    };
    await expect(runRestore(job)).rejects.toMatchObject({
      code: 'RESTORED_WITH_FAULTS',
      message: expect.stringContaining(fault.object),
    });
    expect(await sql(target, 'select count(*)::int as n from child')).toEqual([{ n: 2 }]);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({ state: 'failed', result: { faults: [fault] } });
  });

  it('fails its restore test, because a restore in a disaster would lack the key', async () => {
    const jobId = await claim('restore-test');
    const target = await newDatabase();
    const scratch = {
      unsuitedFor: async () => undefined,
      prepare: async () => target,
      stop: async () => undefined,
    };
    const job = { ...context(jobId), recoveryPointId: orphaned.id, scratch };
    await expect(runRestoreTest(job)).rejects.toMatchObject({ code: 'RESTORED_WITH_FAULTS' });
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      result: { verdict: 'FAILED', faults: [fault] },
    });
  });
});

describe('runRestoreTest', () => {
  let scratchServer: PostgresServer;
  let control: string;
  let watcher: NodeJS.Timeout;
  let stopped: Promise<void>;

  beforeEach(async () => {
    control = fs.mkdtempSync(path.join(directory, 'control-'));
    scratchServer = await startPostgres();
    // As the container beside the task is: loopback only and trusting.
    fs.writeFileSync(
      path.join(scratchServer.dataDirectory, 'pg_hba.conf'),
      'host all all 127.0.0.1/32 trust\n',
    );
    await sql(scratchServer.connection, 'select pg_reload_conf()');
    stopped = new Promise((resolve) => {
      watcher = setInterval(() => {
        if (!fs.existsSync(path.join(control, 'stop'))) return;
        clearInterval(watcher);
        void scratchServer.destroy().then(resolve);
      }, 50);
    });
    return async () => {
      clearInterval(watcher);
      await scratchServer.destroy();
    };
  });

  async function test(change: Partial<RestoreTestJob<PostgresConnection>> = {}) {
    const jobId = await claim('restore-test');
    const scratch = postgresScratch({ port: scratchServer.port, controlDirectory: control });
    const job = { ...context(jobId), recoveryPointId: point.id, scratch, ...change };
    const done = runRestoreTest(job);
    return { jobId, done };
  }

  const verdictOfPoint = async () => (await catalog.getRecoveryPoint(source, point.id))?.restoreTest?.result;

  it('passes on a good point, records it with job and point, and tears the server down', async () => {
    const { jobId, done } = await test({
      assertions: [{ name: 'orders', sql: 'select count(*) = 5000 from orders' }],
    });
    const result = await done;
    await stopped;
    expect(result).toMatchObject({ verdict: 'PASSED', rows: 5100 });
    expect(result.checks?.length).toBeGreaterThan(1);
    expect(result.checks?.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.phases?.map(({ name }) => name)).toContain('tear down');
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'completed',
      result: { verdict: 'PASSED' },
    });
    expect(await verdictOfPoint()).toBe('PASSED');
  });

  it('fails when an assertion does not hold, and still tears the server down', async () => {
    const { jobId, done } = await test({
      assertions: [{ name: 'no orders', sql: 'select count(*) = 0 from orders' }],
    });
    await expect(done).rejects.toMatchObject({ code: 'CHECK_FAILED' });
    await stopped;
    const job = await catalog.getJob(ref(jobId));
    expect(job).toMatchObject({
      state: 'failed',
      error: { code: 'CHECK_FAILED' },
      result: { verdict: 'FAILED' },
    });
    expect(await verdictOfPoint()).toBe('FAILED');
  });

  it('is not testable, and not green, where an extension is missing', async () => {
    const strange: Vault = Object.assign(Object.create(vault) as Vault, {
      open: async (name: string, id: string) => {
        const reader = await vault.open(name, id);
        const manifest = {
          ...reader.manifest,
          billOfMaterials: { extensions: [{ name: 'no_such_extension' }] },
        };
        return { ...reader, manifest };
      },
    });
    const { jobId, done } = await test({ vault: strange });
    await expect(done).rejects.toMatchObject({ code: 'NOT_TESTABLE_HERE' });
    await stopped;
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      result: { verdict: 'NOT_TESTABLE_HERE' },
    });
    expect(await verdictOfPoint()).toBe('NOT_TESTABLE_HERE');
  });

  it('fails on a damaged point', async () => {
    const { manifest } = await vault.open(source, point.id);
    const repair = damage(manifest.items[0]!);
    try {
      const { done } = await test();
      await expect(done).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
    } finally {
      repair();
    }
    await stopped;
    expect(await verdictOfPoint()).toBe('FAILED');
  });

  it('says nothing about the point when it was told to stop', async () => {
    const signal = AbortSignal.abort(new HoldfastError('JOB_ABORTED', 'told to stop'));
    const { jobId, done } = await test({ signal });
    await expect(done).rejects.toMatchObject({ code: 'JOB_ABORTED' });
    await stopped;
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      error: { code: 'JOB_ABORTED' },
    });
    expect(await verdictOfPoint()).toBeUndefined();
  });
});

describe('postgresScratch', () => {
  it('refuses data larger than the disk', async () => {
    const scratch = postgresScratch({ port: server.port, controlDirectory: directory });
    const { manifest } = await vault.open(source, point.id);
    const huge = { ...manifest, totals: { ...manifest.totals, bytes: 2 ** 50 } };
    expect(await scratch.unsuitedFor(huge)).toContain('bytes of disk');
  });
});
