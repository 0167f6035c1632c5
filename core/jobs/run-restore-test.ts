import type { JobResult } from '../catalog/job.ts';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import type { Manifest } from '../vault/manifest.ts';
import { abortReason, persist, secondsSince, takeUp } from './job-context.ts';
import { jobErrorOf } from './job-error.ts';
import { keepLease, taskLeaseSeconds } from './keep-lease.ts';
import { ProgressMeter } from './progress.ts';
import { recordable } from './recordable.ts';
import {
  noFindings,
  type RestoreAndCheck,
  restoreAndCheck,
  type RestoreFindings,
  type RestoreJob,
} from './restore-and-check.ts';
import { warnOfPassedOver } from './run-restore.ts';

/** A server that exists only for one test. */
export interface ScratchServer<Connection> {
  /** Why this point cannot be tested here, `undefined` when it can. */
  unsuitedFor(manifest: Manifest): Promise<string | undefined>;
  /** An empty database to restore into. */
  prepare(manifest: Manifest): Promise<Connection>;
  /** Shuts the server down and waits until it is gone; repeatable. */
  stop(): Promise<void>;
}

export interface RestoreTestJob<Connection> extends Omit<
  RestoreJob<Connection>,
  'connect' | 'tables' | 'strict'
> {
  readonly scratch: ScratchServer<Connection>;
}

type Verdict = NonNullable<JobResult['verdict']>;

/**
 * Proves a point: restores it into the scratch server, checks the data, tears the server down whatever happened, and
 * records the verdict with the job and the point. Anything but PASSED fails the job, so no test that could not be made is
 * ever green. A fault is none either: whoever restores this point in a disaster would lack the object, and if the source
 * itself has it (a row without its parent), this is when to learn of it. @throws CHECK_FAILED, RESTORED_WITH_FAULTS, NOT_TESTABLE_HERE, and what the restore raised; the verdict is recorded before
 */
export async function runRestoreTest<Connection>(context: RestoreTestJob<Connection>): Promise<JobResult> {
  const begun = context.now();
  const job = await takeUp(context);
  await context.catalog.beginAttempt(job, {
    leaseUntil: new Date(begun.getTime() + taskLeaseSeconds * 1000),
  });
  const meter = new ProgressMeter(context.now, 'check objects');
  const keeper = keepLease({
    ...context,
    job,
    everySeconds: context.progressSeconds,
    progress: () => meter.snapshot(),
  });
  const signal = AbortSignal.any([context.signal, keeper.signal]);
  const findings = noFindings();
  try {
    await testPoint({ ...context, signal }, { findings, meter, orderedAt: new Date(job.scheduledFor) });
  } catch (error) {
    await keeper.stop();
    const reason = abortReason(error, context.signal, keeper.signal);
    await conclude(context, { findings, begun, error: reason });
    throw reason;
  } finally {
    await tearDown(context, findings);
    await keeper.stop();
  }
  return conclude(context, { findings, begun });
}

async function testPoint<Connection>(
  context: RestoreTestJob<Connection>,
  work: Omit<RestoreAndCheck, 'reader'>,
): Promise<void> {
  const { scratch } = context;
  const reader = await context.vault.open(context.source, context.recoveryPointId);
  work.findings.warnings = warnOfPassedOver(context, reader);
  const unsuited = await scratch.unsuitedFor(reader.manifest);
  if (unsuited !== undefined) {
    throw new HoldfastError('NOT_TESTABLE_HERE', unsuited, {
      hint: 'test this source by a restore into a server of its own kind',
    });
  }
  const connection = await scratch.prepare(reader.manifest);
  const connect = () => Promise.resolve(connection);
  await restoreAndCheck({ ...context, connect, strict: true }, { ...work, reader });
}

/** Without a clean end of the scratch server the whole task would count as failed. */
async function tearDown(context: RestoreTestJob<unknown>, findings: RestoreFindings): Promise<void> {
  const begun = context.now();
  try {
    await context.scratch.stop();
  } catch (error) {
    context.log.warn('the scratch server did not stop', { message: (error as Error).message });
  }
  findings.phases.push({ name: 'tear down', seconds: secondsSince(begun, context.now()) });
}

interface Conclusion {
  readonly findings: RestoreFindings;
  readonly begun: Date;
  readonly error?: unknown;
}

async function conclude(
  context: RestoreTestJob<unknown>,
  { findings, begun, error }: Conclusion,
): Promise<JobResult> {
  const { catalog, now } = context;
  const job = { source: context.source, id: context.jobId };
  const verdict = verdictOf(error);
  const result: JobResult = {
    recoveryPointId: context.recoveryPointId,
    ...findings,
    seconds: secondsSince(begun, now()),
    ...(verdict !== undefined && { verdict }),
  };
  if (error === undefined) {
    // A point has passed only when its job has ended well: what aborts between leaves a test too few, never one too many.
    await persist(() => catalog.complete(job, recordable(result), now()));
    await recordWithPoint(context, 'PASSED', findings);
  } else {
    // The other way round: an earlier PASSED must not outlive a failure that could not be written with its job.
    if (verdict !== undefined) await recordWithPoint(context, verdict, findings);
    await persist(() => catalog.fail(job, { error: jobErrorOf(error), result: recordable(result) }, now()));
  }
  return result;
}

/** Faults of the surroundings say nothing about the point: no verdict. */
function verdictOf(error: unknown): Verdict | undefined {
  if (error === undefined) return 'PASSED';
  if (isHoldfastError(error, 'NOT_TESTABLE_HERE')) return 'NOT_TESTABLE_HERE';
  const surroundings = [
    'JOB_ABORTED',
    'LEASE_LOST',
    'STALE_EPOCH',
    'SOURCE_UNREACHABLE',
    'DISK_FULL',
  ] as const;
  if (isHoldfastError(error) && (error.retryable || surroundings.some((code) => error.code === code))) {
    return undefined;
  }
  return 'FAILED';
}

async function recordWithPoint(
  context: RestoreTestJob<unknown>,
  result: Verdict,
  { measuredRpoSeconds }: RestoreFindings,
): Promise<void> {
  const { catalog, source, recoveryPointId, jobId, now } = context;
  const point = await catalog.getRecoveryPoint(source, recoveryPointId);
  // Not in the catalogue (lost, not rebuilt yet): the job holds the verdict.
  if (point === undefined) return;
  const measured = measuredRpoSeconds === undefined ? {} : { measuredRpoSeconds };
  const restoreTest = { jobId, at: now().toISOString(), result, ...measured };
  await persist(() => catalog.putRecoveryPoint({ ...point, restoreTest }));
}
