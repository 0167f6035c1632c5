import type { JobResult } from '../catalog/job.ts';
import { HoldfastError } from '../errors.ts';
import { describePassedOver } from '../vault/passed-over.ts';
import type { RecoveryPointReader } from '../vault/vault.ts';
import { abortReason, persist, secondsSince, takeUp } from './job-context.ts';
import { jobErrorOf } from './job-error.ts';
import { keepLease, taskLeaseSeconds } from './keep-lease.ts';
import { ProgressMeter } from './progress.ts';
import { recordable } from './recordable.ts';
import { noFindings, type RestoreJob, restoreAndCheck } from './restore-and-check.ts';

/**
 * Restores into an empty target, checks what is there then, and completes the job. Every object is checked before the target
 * is touched; the engine refuses a target that holds data, so nothing is ever overwritten.
 * @throws CHECK_FAILED, RESTORED_WITH_FAULTS, ROWS_NOT_RESTORED after the job was recorded as failed with all that was found,
 * which is also the error's `detail.result`
 */
export async function runRestore<Connection>(context: RestoreJob<Connection>): Promise<JobResult> {
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
  // Known once the point was opened: what was asked for may be `latest`.
  let opened: { readonly recoveryPointId?: string } = {};
  const resultNow = (): JobResult => ({
    ...opened,
    ...findings,
    seconds: secondsSince(begun, context.now()),
  });
  try {
    const reader = await context.vault.open(context.source, context.recoveryPointId);
    opened = { recoveryPointId: reader.manifest.id };
    findings.warnings = warnOfPassedOver(context, reader);
    const orderedAt = new Date(job.scheduledFor);
    await restoreAndCheck({ ...context, signal }, { reader, meter, findings, orderedAt });
    const result = resultNow();
    await keeper.stop();
    await persist(() => context.catalog.complete(job, recordable(result), context.now()));
    return result;
  } catch (error) {
    const reason = abortReason(error, context.signal, keeper.signal);
    if (findings.checks.length === 0 && findings.faults.length === 0) throw reason;
    await keeper.stop();
    const result = resultNow();
    const failure = { error: jobErrorOf(reason), result: recordable(result) };
    await persist(() => context.catalog.fail(job, failure, context.now()));
    throw withResult(reason, result);
  } finally {
    await keeper.stop();
  }
}

function withResult(reason: unknown, result: JobResult): unknown {
  if (!(reason instanceof HoldfastError)) return reason;
  const { code, message, hint, detail, cause } = reason;
  return new HoldfastError(code, message, {
    detail: { ...detail, result },
    ...(hint !== undefined && { hint }),
    ...(cause !== undefined && { cause }),
  });
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
