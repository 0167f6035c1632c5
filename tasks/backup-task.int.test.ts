import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import type { CatalogStore } from '../core/catalog/catalog-store.ts';
import { createCatalogTable } from '../core/catalog/testing.dynamodb.ts';
import { createPostgresEngine } from '../core/engines/postgres/postgres-engine.ts';
import { runSql as sql, seededRandom } from '../core/jobs/testing.ts';
import { runRestore } from '../core/jobs/run-restore.ts';
import { openVault } from '../core/vault/open-vault.ts';
import type { Vault } from '../core/vault/vault.ts';
import { type LocalAws, startAws } from '../sandbox/aws/local-aws.ts';
import {
  postgresBinDirectory,
  type PostgresServer,
  startPostgres,
} from '../sandbox/postgres/postgres-server.ts';
import { holdTable } from './testing/held-table.ts';
import { startBackupTask, type Task } from './testing/start-task.ts';

const source = 'shop-db';
const ref = (id: string) => ({ source, id });
const rows = 20_000;
const silent = { info: () => undefined, warn: () => undefined };
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-task-'));
const binDirectory = () => postgresBinDirectory(18);

let aws: LocalAws;
let server: PostgresServer;
let client: DynamoDBClient;
let catalog: CatalogStore;
let vault: Vault;

beforeAll(async () => {
  [aws, server] = await Promise.all([startAws(), startPostgres()]);
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  client = new DynamoDBClient({ endpoint: aws.endpoint, region: 'us-east-1', credentials });
  await createCatalogTable(client, 'catalog');
  catalog = createDynamoCatalogStore({ client, table: 'catalog' });
  await catalog.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
  fs.mkdirSync(path.join(directory, 'vault'));
  const keys = { kind: 'key-file' as const, path: path.join(directory, 'key'), create: true };
  vault = await openVault({ url: path.join(directory, 'vault'), keys });
  await sql(
    server.connection,
    `create table orders (id bigint primary key, note text);
     insert into orders select n, repeat(md5(n::text), 20) from generate_series(1, ${rows}) n`,
  );
});

afterAll(async () => {
  client?.destroy();
  await Promise.all([aws?.stop(), server?.destroy()]);
  fs.rmSync(directory, { recursive: true, force: true });
});

let runs = 0;
async function claim(kind: 'backup' | 'restore' = 'backup'): Promise<string> {
  runs += 1;
  const jobId = `job-${String(runs).padStart(3, '0')}`;
  const now = new Date();
  const previous = await catalog.leaseOf(source);
  await catalog.claim({
    jobId,
    kind,
    source,
    region: 'us-east-1',
    owner: `execution-${runs}`,
    epoch: 1,
    scheduledFor: now,
    now,
    leaseUntil: new Date(now.getTime() + 60_000),
    ...(kind === 'backup' && { recoveryPointId: ulid() }),
    ...(kind === 'restore' && { target: `target-${runs}` }),
    // As claim-job does after it found the execution ended.
    takeOverFrom: previous === undefined ? [] : [previous.owner],
  });
  return jobId;
}

/** The settings that a task definition and claim-job give; `more` adds to them. */
function startTask(jobId: string, more: Readonly<Record<string, string>> = {}): Task {
  return startBackupTask({
    ...aws.environment,
    HOLDFAST_TABLE: 'catalog',
    HOLDFAST_JOB_ID: jobId,
    HOLDFAST_SOURCE: source,
    HOLDFAST_POSTGRES_BIN: binDirectory(),
    TEST_VAULT: path.join(directory, 'vault'),
    TEST_KEY_FILE: path.join(directory, 'key'),
    TEST_CONNECTION: JSON.stringify(server.connection),
    ...more,
  });
}

async function restored(id: string): Promise<Record<string, unknown>[]> {
  const dbname = `restored_${id.toLowerCase()}`;
  await sql(server.connection, `create database ${dbname} template template0`);
  const jobId = await claim('restore');
  await runRestore({
    assertions: [],
    catalog,
    vault,
    engine: createPostgresEngine({ binDirectory }),
    jobId,
    source,
    region: 'us-east-1',
    connections: 2,
    progressSeconds: 1,
    signal: new AbortController().signal,
    log: silent,
    now: () => new Date(),
    recoveryPointId: id,
    connect: async () => server.connectionTo(dbname),
  });
  const counted = await sql(
    server.connectionTo(dbname),
    'select count(*)::int as n, sum(length(note))::int as l from orders',
  );
  await sql(server.connection, `drop database ${dbname}`);
  return counted;
}

describe('the backup task as a process', () => {
  /** How long a task lives that nobody disturbs, on this machine today. */
  let wholeMilliseconds = 1500;

  it('backs up, records the point and its progress, frees the source, and exits 0', async () => {
    const jobId = await claim();
    const begun = performance.now();
    const { code, output } = await startTask(jobId).ended;
    wholeMilliseconds = performance.now() - begun;
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    const job = await catalog.getJob(ref(jobId));
    const point = await catalog.getRecoveryPoint(source, job?.recoveryPointId ?? '');
    expect(point).toMatchObject({ state: 'stored', rows, region: 'us-east-1' });
    expect(await catalog.leaseOf(source)).toBeUndefined();
    expect(await restored(point!.id)).toEqual([{ n: rows, l: rows * 640 }]);
    for (const line of output.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ jobId, source });
    expect(output).not.toContain(server.connection.password);
  });

  it('never shows a point that cannot be restored when it is killed at 20 random moments, and succeeds at the next run', async () => {
    const { seed, next } = seededRandom();
    console.info(`moments by HOLDFAST_TEST_SEED=${seed}`);
    for (let round = 0; round < 20; round += 1) {
      const { child, ended } = startTask(await claim());
      await pause(next() * wholeMilliseconds);
      child.kill('SIGKILL');
      await ended;
    }
    const jobId = await claim();
    const { code, output } = await startTask(jobId).ended;
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    const listed = await catalog.listRecoveryPoints({ source });
    const inVault = (await vault.list(source)).map(({ manifest }) => manifest.id);
    expect(listed.length).toBeGreaterThan(0);
    expect(listed.map(({ id }) => id).filter((id) => !inVault.includes(id))).toEqual([]);
    // What was committed and not recorded counts too: a rebuilt catalogue shows it.
    for (const id of inVault) {
      expect(await vault.verify(source, id, { deep: true })).toMatchObject({ ok: true, problems: [] });
      expect(await restored(id)).toEqual([{ n: rows, l: rows * 640 }]);
    }
    // A second look finds nothing left to abort.
    expect(await vault.abortUploads(source, { before: new Date() })).toBe(0);
  });

  it('aborts cleanly when it is told to stop: nothing visible, the failure recorded, the source free', async () => {
    const before = (await vault.list(source)).length;
    const held = await holdTable(server.connection, 'orders');
    const jobId = await claim();
    const { child, ended } = startTask(jobId);
    await held.waiting();
    child.kill('SIGTERM');
    const { code, output } = await ended;
    await held.release();
    expect(code).toBe(1);
    expect(output).toContain('told to stop');
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      error: { code: 'JOB_ABORTED' },
    });
    expect(await catalog.leaseOf(source)).toBeUndefined();
    expect(await vault.list(source)).toHaveLength(before);
    expect(await vault.abortUploads(source, { before: new Date() })).toBe(0);
  });

  it('gives up sessions that the server no longer answers, and is done at the next try', async () => {
    const held = await holdTable(server.connection, 'orders');
    const { child, ended } = startTask(await claim(), { TEST_IDLE_SECONDS: '2' });
    const frozen = await held.waiting();
    try {
      for (const pid of frozen) process.kill(pid, 'SIGSTOP');
      await held.release();
      const { code, output } = await ended;
      expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
      const lines = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { message: string });
      expect(lines.filter(({ message }) => message === 'the attempt failed; trying again')).toMatchObject([
        { detail: { attempt: 1, code: 'SOURCE_UNREACHABLE' } },
      ]);
    } finally {
      child.kill('SIGKILL');
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    }
    const [newest] = await catalog.listRecoveryPoints({ source });
    expect(await restored(newest!.id)).toEqual([{ n: rows, l: rows * 640 }]);
  });

  it('fails when no try finds the server: nothing visible, the failure recorded, the source free', async () => {
    const before = (await vault.list(source)).map(({ manifest }) => manifest.id);
    const jobId = await claim();
    const nowhere = { ...server.connection, port: 1 };
    const { code, output } = await startTask(jobId, { TEST_CONNECTION: JSON.stringify(nowhere) }).ended;
    expect(code).toBe(1);
    // The third is told as the failure of the job.
    expect(output.match(/the attempt failed; trying again/g)).toHaveLength(2);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      error: { code: 'SOURCE_UNREACHABLE', hint: expect.any(String) },
    });
    expect(await catalog.leaseOf(source)).toBeUndefined();
    expect((await vault.list(source)).map(({ manifest }) => manifest.id)).toEqual(before);
  });

  it('refuses a table whose rows are hidden from its user, and stores nothing', async () => {
    await sql(
      server.connection,
      `create table private as select 1 as a; alter table private enable row level security;
       create role reader login password 'reader' in role pg_read_all_data`,
    );
    const before = (await vault.list(source)).map(({ manifest }) => manifest.id);
    const jobId = await claim();
    const reader = { ...server.connection, username: 'reader', password: 'reader' };
    const { code } = await startTask(jobId, { TEST_CONNECTION: JSON.stringify(reader) }).ended;
    expect(code).toBe(1);
    expect(await catalog.getJob(ref(jobId))).toMatchObject({
      state: 'failed',
      error: {
        code: 'SOURCE_PRIVILEGES',
        message: expect.stringContaining('public.private'),
        hint: expect.stringContaining('BYPASSRLS'),
      },
    });
    expect((await vault.list(source)).map(({ manifest }) => manifest.id)).toEqual(before);
    await sql(server.connection, 'drop table private; drop role reader');
  });

  it('stops when its job was taken over, without touching the new one', async () => {
    const old = await claim();
    const fresh = await claim();
    const { code } = await startTask(old).ended;
    expect(code).toBe(1);
    expect(await catalog.getJob(ref(old))).toMatchObject({ state: 'failed', error: { code: 'LEASE_LOST' } });
    expect(await catalog.getJob(ref(fresh))).toMatchObject({ state: 'running' });
    expect(await catalog.leaseOf(source)).toMatchObject({ jobId: fresh });
    await catalog.fail(ref(fresh), { error: { code: 'JOB_ABORTED', message: 'end of test' } }, new Date());
  });

  it('takes over what an earlier task of the same job committed but did not record', async () => {
    const jobId = await claim();
    expect((await startTask(jobId).ended).code).toBe(0);
    const id = (await catalog.getJob(ref(jobId)))?.recoveryPointId ?? '';
    // As if that task had died right after its manifest: the job is claimed anew with what it had begun.
    const again = await claim();
    await catalog.beginAttempt(ref(again), {
      leaseUntil: new Date(Date.now() + 60_000),
      recoveryPointId: id,
    });
    const points = (await vault.list(source)).length;
    expect((await startTask(again).ended).code).toBe(0);
    expect(await catalog.getJob(ref(again))).toMatchObject({ recoveryPointId: id });
    expect(await vault.list(source)).toHaveLength(points);
  });

  it('names missing settings and never a value', async () => {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'run.mjs'), 'postgres-backup'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], HOLDFAST_TABLE: 'x', HOLDFAST_VAULT_URL: 'ftp://hidden-value' },
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const code = await new Promise((resolve) => child.once('close', resolve));
    const line = JSON.parse(Buffer.concat(chunks).toString()) as {
      detail: { code: string; message: string };
    };
    expect(code).toBe(2);
    expect(line.detail.code).toBe('SETTING_INVALID');
    expect(line.detail.message).toContain('HOLDFAST_JOB_ID');
    expect(line.detail.message).toContain('HOLDFAST_VAULT_URL');
    expect(line.detail.message).not.toContain('hidden-value');
  });
});
