import process from 'node:process';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import type { CatalogStore } from '../core/catalog/catalog-store.ts';
import type { EngineLog } from '../core/engines/engine.ts';
import { HoldfastError } from '../core/errors.ts';
import { persist } from '../core/jobs/job-context.ts';
import { jobErrorOf } from '../core/jobs/job-error.ts';
import { readSettings, type TaskSettings, taskSettingsSchema } from '../core/jobs/settings.ts';
import { tuneMemoryForStreams } from '../core/stream-memory.ts';

/** ECS kills after 30 s unless a task says otherwise; ten of them are left for the log and the process's end. */
const abortSeconds = 20;

export interface TaskContext {
  readonly settings: TaskSettings;
  readonly catalog: CatalogStore;
  readonly signal: AbortSignal;
  readonly log: EngineLog;
}

/**
 * Wraps every task: settings checked at the start, one JSON line per event, the outcome recorded with the job, SIGTERM as a
 * clean abort. Exit codes: 0 done, 1 failed, 2 settings, 3 not found, 4 refused; all below 100, which tells the state
 * machine that the task had the last word.
 */
export async function runTask(
  work: (context: TaskContext) => Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  tuneMemoryForStreams();
  let settings: TaskSettings;
  try {
    settings = readSettings(taskSettingsSchema, process.env);
  } catch (error) {
    writeLine({ level: 'error', message: 'the task cannot start', detail: jobErrorOf(error) });
    process.exitCode = exitCodeOf(error);
    return;
  }
  const log = taskLog(settings);
  const signal = abortOnSignals(log);
  const client = new DynamoDBClient({});
  const catalog = createDynamoCatalogStore({ client, table: settings.HOLDFAST_TABLE });
  log.info('begin', {
    kind: settings.HOLDFAST_JOB_KIND,
    recoveryPointId: settings.HOLDFAST_RECOVERY_POINT_ID,
  });
  try {
    log.info('done', await work({ settings, catalog, signal, log }));
    process.exitCode = 0;
  } catch (error) {
    await recordFailure({ settings, catalog, log, signal }, error);
    process.exitCode = exitCodeOf(error);
  }
  client.destroy();
  // Sockets that a library keeps open must not keep a finished task, and its bill, alive.
  setTimeout(() => process.exit(), 1000).unref();
}

async function recordFailure({ settings, catalog, log }: TaskContext, error: unknown): Promise<void> {
  const failure = jobErrorOf(error);
  const job = { source: settings.HOLDFAST_SOURCE, id: settings.HOLDFAST_JOB_ID };
  writeLine({
    ...facts(settings),
    level: 'error',
    message: 'failed',
    detail: failure,
    stack: stackOf(error),
  });
  try {
    await persist(() => catalog.fail(job, { error: failure }, new Date()));
  } catch (second) {
    log.warn('the failure could not be recorded; the state machine will', { ...jobErrorOf(second) });
  }
}

/** The first signal asks; if the work has not ended after 20 s the process does. */
function abortOnSignals(log: EngineLog): AbortSignal {
  const controller = new AbortController();
  const abort = (name: string) => {
    if (controller.signal.aborted) return;
    log.warn('told to stop', { signal: name });
    setTimeout(() => {
      log.warn('the work did not stop in time', { seconds: abortSeconds });
      process.exit(1);
    }, abortSeconds * 1000).unref();
    controller.abort(
      new HoldfastError('JOB_ABORTED', `the task was told to stop (${name})`, {
        hint: 'did somebody stop the task or its execution, or is its host being retired?',
      }),
    );
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => abort(name));
  return controller.signal;
}

function taskLog(settings: TaskSettings): EngineLog {
  const line = (level: string) => (message: string, detail?: Readonly<Record<string, unknown>>) =>
    writeLine({ ...facts(settings), level, message, ...(detail !== undefined && { detail }) });
  return { info: line('info'), warn: line('warn') };
}

/** Who, where and about what: on every line. */
function facts(settings: TaskSettings): Record<string, unknown> {
  return {
    plan: settings.HOLDFAST_PLAN_NAME,
    region: settings.HOLDFAST_REGION,
    jobId: settings.HOLDFAST_JOB_ID,
    source: settings.HOLDFAST_SOURCE,
  };
}

function writeLine(fields: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), ...fields })}\n`);
}

function exitCodeOf(error: unknown): number {
  return error instanceof HoldfastError ? error.exitCode : 1;
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
