import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listProcesses } from './detached/leftovers.ts';
import { readProcess } from './detached/records.ts';
import {
  type DetachedSandbox,
  sandboxDown,
  sandboxKillRegion,
  sandboxReset,
  sandboxReviveRegion,
  sandboxStatus,
  sandboxUp,
} from './detached.ts';

let base: string;
let place: { readonly records: string };

beforeEach(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-records-'));
  place = { records: path.join(base, 'sandbox') };
});
afterEach(async () => {
  await sandboxDown(place).catch(() => undefined);
  fs.rmSync(base, { recursive: true, force: true });
});

const up = () => sandboxUp({ ...place, deploy: false });

function recorded(): { readonly pid: number; readonly directory: string } {
  const record = readProcess(place.records);
  if (record === undefined) throw new Error('there is no record');
  return record;
}

/** Everything that descends from the process or names its folder. */
function processesOf({ pid, directory }: ReturnType<typeof recorded>): number[] {
  const all = listProcesses();
  const found = new Set(
    all.filter(({ group, command }) => group === pid || command.includes(directory)).map((one) => one.pid),
  );
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const one of all) if (found.has(one.parent)) found.add(one.pid);
  }
  return [...found];
}

async function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const openPorts = ({ ports }: DetachedSandbox) => Promise.all(Object.values(ports).map(isOpen));

async function expectNothingLeft(
  sandbox: DetachedSandbox,
  record: ReturnType<typeof recorded>,
  processes: readonly number[],
) {
  expect(processesOf(record)).toEqual([]);
  const running = new Set(listProcesses().map(({ pid }) => pid));
  expect(processes.filter((pid) => running.has(pid))).toEqual([]);
  expect(await openPorts(sandbox)).toEqual([false, false, false]);
  expect([fs.existsSync(record.directory), fs.existsSync(place.records)]).toEqual([false, false]);
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function secret(endpoint: string, region: string, name: string): Promise<{ readonly port: number }> {
  const credentials = { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' };
  const client = new SecretsManagerClient({ endpoint, region, credentials, maxAttempts: 1 });
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: name }));
  return JSON.parse(SecretString ?? '{}') as { port: number };
}

describe('a detached sandbox', () => {
  it('runs until it is told to stop, lets its own Regions die and come back, is reset, and leaves nothing', async () => {
    const steps: string[] = [];
    const first = await sandboxUp({ ...place, deploy: false, onStep: (step) => steps.push(step) });
    const record = recorded();
    expect([first.started, first.deployed, steps.length > 0]).toEqual([true, false, true]);
    expect(await openPorts(first)).toEqual([true, true, true]);
    expect((await secret(first.endpoint, 'us-east-1', 'shop-db/backup')).port).toBe(first.ports.shop);
    expect((await secret(first.endpoint, 'us-west-2', 'shop-db/restored')).port).toBe(first.ports.restored);
    const count = 'select count(*)::int as n from shop.orders';
    const orders = await query(first.databases.shop, count);
    expect((orders[0] as { n: number }).n).toBeGreaterThan(100);

    const second = await up();
    expect([second.started, second.pid, second.endpoint]).toEqual([false, first.pid, first.endpoint]);

    expect((await sandboxStatus(place)).calls).toMatchObject({ 'us-west-2/secretsmanager': 3 });
    await expect(sandboxKillRegion('eu-west-1', place)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('us-east-1 and us-west-2'),
    });
    expect((await sandboxStatus(place)).regions).toEqual({ 'us-east-1': 'alive', 'us-west-2': 'alive' });
    const killed = await sandboxKillRegion('us-east-1', place);
    expect(killed.regions).toEqual({ 'us-east-1': 'dead', 'us-west-2': 'alive' });
    await expect(secret(first.endpoint, 'us-east-1', 'shop-db/backup')).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    expect(await openPorts(first)).toEqual([true, false, true]);

    await sandboxReviveRegion('us-east-1', place);
    expect((await sandboxStatus(place)).regions).toEqual({ 'us-east-1': 'alive', 'us-west-2': 'alive' });
    expect(await query(first.databases.shop, count)).toEqual(orders);
    expect((await secret(first.endpoint, 'us-east-1', 'shop-db/backup')).port).toBe(first.ports.shop);

    await query(first.databases.restored, 'create table public.mine (n int)');
    const processes = processesOf(record);
    expect(processes.length).toBeGreaterThan(3);
    const again = await sandboxReset(place);
    expect([again.ports, again.pid === first.pid, processesOf(record)]).toEqual([first.ports, false, []]);
    const mine = await query(again.databases.restored, "select to_regclass('public.mine') as mine");
    expect(mine).toEqual([{ mine: null }]);

    const secondRecord = recorded();
    await sandboxDown(place);
    await expectNothingLeft(again, secondRecord, processes);
    await expect(sandboxStatus(place)).rejects.toMatchObject({ code: 'SANDBOX_NOT_RUNNING' });
    expect(await sandboxDown(place)).toEqual({ stopped: null });
  });

  it('is cleaned up after its process was killed, by the next start as well as by down', async () => {
    const sandbox = await up();
    const record = recorded();
    const processes = processesOf(record);
    process.kill(record.pid, 'SIGKILL');
    await expect.poll(() => processesOf(record)).not.toContain(record.pid);
    // The proof that there is something to clean up.
    expect(processesOf(record).length).toBeGreaterThan(2);
    await expect(sandboxStatus(place)).rejects.toMatchObject({
      code: 'SANDBOX_NOT_RUNNING',
      hint: expect.stringContaining('sandbox down'),
    });
    const next = await up();
    const nextRecord = recorded();
    expect([next.started, processesOf(record), fs.existsSync(record.directory)]).toEqual([true, [], false]);
    const nextProcesses = processesOf(nextRecord);
    process.kill(nextRecord.pid, 'SIGKILL');
    await sandboxDown(place);
    await expectNothingLeft(sandbox, record, processes);
    await expectNothingLeft(next, nextRecord, nextProcesses);
  });

  it('leaves nothing of a start that was interrupted', async () => {
    const abort = new AbortController();
    const reason = new Error('interrupted');
    let record: ReturnType<typeof recorded> | undefined;
    const started = sandboxUp({
      ...place,
      deploy: false,
      signal: abort.signal,
      onStep: () => {
        record = recorded();
        setTimeout(() => abort.abort(reason), 300);
      },
    });
    await expect(started).rejects.toBe(reason);
    expect(record && processesOf(record)).toEqual([]);
    expect(fs.existsSync(place.records)).toBe(false);
  });
});
