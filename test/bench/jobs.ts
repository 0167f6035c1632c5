import fs from 'node:fs';
import path from 'node:path';
import { sql } from '../../sandbox/drill/workload/load-shop.ts';
import type { PostgresServer } from '../../sandbox/postgres/postgres-server.ts';
import { type Dataset, describeDataset, loadBulk } from './dataset.ts';
import {
  backupFlows,
  type Flow,
  type FlowContext,
  flowEnvironment,
  restoreFlows,
  tableRestoreFlows,
} from './flows.ts';
import { measure, type Measurement } from './measure.ts';
import { medianOf, type Result, rotated } from './rounds.ts';
import type { Store } from './store.ts';

/** What is measured: one job, done in several ways. */
export interface JobResult {
  readonly job: string;
  readonly results: readonly Result[];
}

export interface Bench {
  readonly server: PostgresServer;
  readonly store: Store;
  readonly folder: string;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

export interface JobOrder {
  readonly name: string;
  readonly flows: (round: number) => readonly Flow[];
  readonly context: (round: number) => FlowContext;
  /** Before each run, not measured. */
  readonly prepare?: () => Promise<void>;
  /** After each run, not measured; throws when the job did not do what it should. */
  readonly check?: (flow: Flow) => Promise<void>;
}

/** Rounds in which every flow runs once, each round beginning with another one. */
export async function runJob(bench: Bench, order: JobOrder): Promise<JobResult> {
  const runs = new Map<string, { name: string; runs: Measurement[] }>();
  for (let round = 0; round < bench.rounds; round += 1) {
    const flows = order.flows(round);
    for (const flow of flows) if (!runs.has(flow.id)) runs.set(flow.id, { name: flow.name, runs: [] });
    for (const flow of rotated(flows, round)) {
      await order.prepare?.();
      const measured = await measure({
        script: flow.script,
        environment: flowEnvironment(order.context(round)),
        scratch: path.join(bench.folder, 'scratch'),
      });
      await order.check?.(flow);
      runs.get(flow.id)?.runs.push(measured);
      bench.say(`${order.name}, round ${round + 1}: ${flow.id} ${measured.seconds.toFixed(1)} s`);
    }
  }
  const results = [...runs].map(([flow, entry]) => ({ flow, ...entry, median: medianOf(entry.runs) }));
  return { job: order.name, results };
}

export function contextFor(bench: Bench, database: string, connections: number) {
  const keyFile = path.join(bench.folder, 'bench.key');
  return (round: number): FlowContext => ({
    server: bench.server,
    store: bench.store,
    database,
    connections,
    keyFile,
    round,
  });
}

export function backupJob(bench: Bench, dataset: Dataset, connections: number): Promise<JobResult> {
  const context = contextFor(bench, dataset.database, connections);
  const name = `backup of ${dataset.database}, ${connections} connections`;
  const flows = (round: number) =>
    // The documented way knows no connections, so it is compared once.
    backupFlows(context(round)).filter(({ id }) => connections === 2 || id !== 'documented');
  return runJob(bench, { name, flows, context });
}

const target = 'bench_restored';

export function restoreJob(bench: Bench, dataset: Dataset, connections: number): Promise<JobResult> {
  const context = contextFor(bench, dataset.database, connections);
  return runJob(bench, {
    name: `restore of ${dataset.database}, ${connections} connections`,
    flows: (round) => restoreFlows(context(round), target),
    context,
    prepare: () => emptyTarget(bench),
    check: async (flow) => {
      const restored = await describeDataset(bench.server, target);
      const same = JSON.stringify(restored.tables) === JSON.stringify(dataset.tables);
      if (!same) throw new Error(`${flow.id} restored other rows than were backed up`);
    },
  });
}

export function tableRestoreJob(bench: Bench, dataset: Dataset, table: string): Promise<JobResult> {
  const context = contextFor(bench, dataset.database, 2);
  const expected = dataset.tables.find(({ name }) => name === table)?.rows;
  return runJob(bench, {
    name: `restore of one table (${table})`,
    flows: (round) => tableRestoreFlows(context(round), target, table),
    context,
    prepare: () => emptyTarget(bench),
    check: async (flow) => {
      const [row] = await sql<{ rows: string }>(
        bench.server,
        target,
        `select count(*) as rows from ${table}`,
      );
      if (Number(row?.rows) !== expected)
        throw new Error(`${flow.id} restored ${row?.rows} rows of ${table}`);
    },
  });
}

export interface MemoryResult {
  readonly textBytes: number;
  readonly backup: Measurement;
  readonly restore: Measurement;
}

/** Ours alone, with more and more data: what it takes must not grow with it. */
export async function memoryJob(bench: Bench, gigabytes: readonly number[]): Promise<MemoryResult[]> {
  const measured: MemoryResult[] = [];
  for (const size of gigabytes) {
    const database = `bulk_${String(size).replace('.', '_')}`;
    const once = { ...bench, rounds: 1 };
    bench.say(`making ${size} GB`);
    await loadBulk(bench.server, database, size * 1e9);
    const context = contextFor(bench, database, 2);
    const [backup] = (
      await runJob(once, {
        name: `backup of ${size} GB`,
        context,
        flows: (round) => backupFlows(context(round)).slice(0, 1),
      })
    ).results;
    const [restore] = (
      await runJob(once, {
        name: `restore of ${size} GB`,
        context,
        flows: (round) => restoreFlows(context(round), target).slice(0, 1),
        prepare: () => emptyTarget(bench),
      })
    ).results;
    if (backup !== undefined && restore !== undefined) {
      measured.push({ textBytes: size * 1e9, backup: backup.median, restore: restore.median });
    }
    await sql(bench.server, 'postgres', `drop database "${database}"`);
    await emptyTarget(bench);
  }
  return measured;
}

async function emptyTarget({ server }: Bench): Promise<void> {
  await sql(server, 'postgres', `drop database if exists "${target}" with (force)`);
  await sql(server, 'postgres', `create database "${target}" template template0`);
}

export function makeFolder(): string {
  const base = path.resolve(import.meta.dirname, '../../.cache/bench');
  fs.mkdirSync(base, { recursive: true });
  return fs.mkdtempSync(path.join(base, 'run-'));
}
