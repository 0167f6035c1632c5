import path from 'node:path';
import { HoldfastError, isHoldfastError } from '../core/errors.ts';
import { loadPlan } from '../core/plan/load-plan.ts';
import { callsByService } from './detached/calls.ts';
import { type Control, serveControl } from './detached/control.ts';
import { containersBelow } from './detached/leftovers.ts';
import {
  type ProcessRecord,
  readProcess,
  removeRecords,
  type SandboxState,
  writeState,
} from './detached/records.ts';
import { startWorld, type World } from './detached/world.ts';

/** What the process tells the command that started it. */
export type DaemonMessage =
  | { readonly step: string }
  | { readonly ready: true }
  | { readonly failed: { readonly code: string; readonly message: string; readonly hint?: string } };

/** What it waits for before it starts anything: where its record is. */
export interface DaemonOrder {
  readonly records: string;
}

const planFile = path.resolve(import.meta.dirname, '../examples/drill.yaml');

/** Holds a sandbox until SIGTERM. Its start is watched by the command behind the channel: when that dies, it gives up. */
async function run(order: DaemonOrder): Promise<void> {
  const record = readProcess(order.records);
  if (record?.pid !== process.pid) throw new HoldfastError('INTERNAL', 'the record names another process');
  const abort = new AbortController();
  const stop = () => abort.abort(new HoldfastError('JOB_ABORTED', 'the start of the sandbox was stopped'));
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.once('disconnect', stop);
  let world: World | undefined;
  let closeControl: (() => Promise<void>) | undefined;
  try {
    world = await start(record, abort.signal);
    closeControl = await serveControl(record.directory, controlOf(world, record));
    writeState(order.records, stateOf(world, record));
    process.off('disconnect', stop);
    tell({ ready: true });
    await aborted(abort.signal);
  } catch (error) {
    tell({ failed: describe(error) });
    process.exitCode = 1;
  }
  await closeControl?.();
  await world?.down();
  if (readProcess(order.records)?.pid === process.pid) removeRecords(order.records, record);
  if (process.connected) process.disconnect();
}

async function start(record: ProcessRecord, signal: AbortSignal): Promise<World> {
  const plan = await loadPlan(planFile);
  const onStep = (step: string) => tell({ step });
  return startWorld({ ...record.options, plan, planFile, signal, onStep });
}

function controlOf(world: World, record: ProcessRecord): Control {
  return {
    killRegion: (region) => world.killRegion(region),
    reviveRegion: (region) => world.reviveRegion(region),
    status: () => {
      const dead = new Set(world.sandbox.deadRegions());
      const running = containersBelow(record.directory).filter(({ pid }) => isAlive(pid));
      const { regions } = world;
      return {
        regions: Object.fromEntries(regions.map((region) => [region, dead.has(region) ? 'dead' : 'alive'])),
        containers: Object.fromEntries(
          regions.map((region) => [region, running.filter((one) => one.region === region).length]),
        ),
        calls: callsByService(world.sandbox.counts()),
      };
    },
  };
}

function stateOf({ sandbox, regions, ports }: World, { pid, since, options }: ProcessRecord): SandboxState {
  const { endpoint } = sandbox;
  const [primary = '', standby = ''] = regions;
  const all = { endpoint: Number(new URL(endpoint).port), ...ports };
  return { pid, endpoint, regions: { primary, standby }, ports: all, since, deployed: options.deploy };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function tell(message: DaemonMessage): void {
  // The command may be gone; the process goes on or ends without it.
  if (process.connected) process.send?.(message, () => undefined);
}

function describe(error: unknown) {
  if (!isHoldfastError(error)) return { code: 'SANDBOX', message: String(error) };
  return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}

process.once('message', (order: DaemonOrder) => void run(order));
