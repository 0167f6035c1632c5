import type { JobResult } from '../catalog/job.ts';
import type { RestoreOutcome } from '../engines/engine.ts';
import { errorCatalogue, type ErrorCode, HoldfastError } from '../errors.ts';
import { describePassedOver } from '../vault/passed-over.ts';
import type { PassedOverRecoveryPoint, RecoveryPointReader } from '../vault/vault.ts';
import { abortReason, type JobContext, persist, secondsSince, takeUp } from './job-context.ts';
import { keepLease, taskLeaseSeconds } from './keep-lease.ts';
import { ProgressMeter } from './progress.ts';

export interface RestoreJob<Connection> extends JobContext<Connection> {
  readonly recoveryPointId: string;
  readonly connect: () => Promise<Connection>;
  /** Only these, as `schema.table`. */
  readonly tables?: readonly string[];
  /** Newer points that whoever resolved `latest` could not take; told as warnings. */
  readonly passedOver?: readonly PassedOverRecoveryPoint[];
}

/**
 * Restores into an empty target and completes the job. Every object is checked before the target is touched; the engine
 * refuses a target that holds data, so nothing is ever overwritten.
 */
export async function runRestore<Connection>(context: RestoreJob<Connection>): Promise<JobResult> {
  const begun = context.now();
  const job = await takeUp(context);
  await context.catalog.beginAttempt(job.id, {
    leaseUntil: new Date(begun.getTime() + taskLeaseSeconds * 1000),
  });
  const meter = new ProgressMeter(context.now);
  const keeper = keepLease({
    ...context,
    everySeconds: context.progressSeconds,
    progress: () => meter.snapshot(),
  });
  const signal = AbortSignal.any([context.signal, keeper.signal]);
  try {
    const reader = await context.vault.open(context.source, context.recoveryPointId);
    const warnings = warnOfPassedOver(context, reader);
    const { outcome, phases } = await checkAndRestore({ ...context, signal }, { reader, meter });
    const result: JobResult = {
      recoveryPointId: reader.manifest.id,
      items: outcome.items,
      rows: outcome.rows,
      seconds: secondsSince(begun, context.now()),
      phases,
      warnings: [...warnings, ...outcome.warnings],
    };
    await keeper.stop();
    await persist(() => context.catalog.complete(job.id, result, context.now()));
    return result;
  } catch (error) {
    throw abortReason(error, context.signal, keeper.signal);
  } finally {
    await keeper.stop();
  }
}

/** Said before anything is restored, while there is time to stop, and again with the result. */
export function warnOfPassedOver(
  { passedOver = [], log }: Pick<RestoreJob<unknown>, 'passedOver' | 'log'>,
  reader: RecoveryPointReader,
): string[] {
  const warnings = describePassedOver([...passedOver, ...reader.passedOver]);
  for (const warning of warnings) log.warn(warning);
  return warnings;
}

export interface CheckedRestore {
  readonly outcome: RestoreOutcome;
  readonly phases: { readonly name: string; readonly seconds: number }[];
}

/** The steps that a restore and a restore test share. */
export async function checkAndRestore<Connection>(
  context: Pick<
    RestoreJob<Connection>,
    'engine' | 'connect' | 'connections' | 'tables' | 'signal' | 'log' | 'now'
  >,
  { reader, meter }: { readonly reader: RecoveryPointReader; readonly meter: ProgressMeter },
): Promise<CheckedRestore> {
  const { signal, now } = context;
  const begun = now();
  // One table needs only its own objects: what else is damaged or archived must not stand in its way.
  const needed = context.tables && context.engine.itemsFor(reader.manifest, context.tables);
  await requireWhole(reader, needed, context.log);
  const checked = secondsSince(begun, now());
  signal.throwIfAborted();
  const outcome = await context.engine.restore({
    connection: await context.connect(),
    connections: context.connections,
    signal,
    manifest: reader.manifest,
    read: (item) => reader.read(item, { signal }),
    onProgress: (progress) => meter.report(progress),
    log: context.log,
    ...(context.tables !== undefined && { only: context.tables }),
  });
  return { outcome, phases: [{ name: 'check objects', seconds: checked }, ...outcome.phases] };
}

/** Refuses a point of which something needed is missing or altered beyond what another version can replace. */
async function requireWhole(
  reader: RecoveryPointReader,
  needed: readonly string[] | undefined,
  log: RestoreJob<unknown>['log'],
): Promise<void> {
  const { problems, thaw } = await reader.checkBeforeRestore(needed);
  for (const problem of problems) log.warn('an object is not as the manifest says', { ...problem });
  const fatals = problems.filter(({ recoverable }) => !recoverable);
  // A point that is damaged too need not be thawed.
  const fatal = fatals.find(({ code }) => code !== 'ARCHIVED') ?? fatals[0];
  if (fatal === undefined) return;
  if (fatal.code === 'ARCHIVED' && thaw !== undefined) {
    throw new HoldfastError(
      'ARCHIVED',
      `recovery point ${reader.manifest.id} cannot be restored yet: ${thaw.detail}`,
      { hint: `the target was not touched; ${thaw.hint}`, detail: { problems: fatals.slice(0, 20) } },
    );
  }
  const code = fatal.code in errorCatalogue ? (fatal.code as ErrorCode) : 'OBJECT_CORRUPT';
  throw new HoldfastError(
    code,
    `recovery point ${reader.manifest.id} cannot be restored: ${fatal.key} ${fatal.detail}`,
    {
      hint: 'the target was not touched; take an earlier point, or the copy in the other Region',
      detail: { problems: problems.slice(0, 20) },
    },
  );
}
