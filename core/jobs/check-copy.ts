import { jobNotFound } from '../catalog/catalog-refusals.ts';
import type { JobRef } from '../catalog/catalog-store.ts';
import { HoldfastError } from '../errors.ts';
import { catchUp } from './catch-up.ts';
import { type CheckCopyDependencies, checkPoint, type LookedAt, wrongIn } from './check-point.ts';
import type { CheckCopyReply, Reported } from './messages.ts';
import { metricNames, type MetricValue } from './metrics.ts';

/**
 * Looks whether the other Region holds the whole recovery point of a backup job, and records the state. The manifest and the
 * objects say so, never the catalogue: its records are written by the very task that is being checked. While that Region is
 * silent the point is `storedPeerDown`; the look that settles a later run's own point finds it again, so nobody has to
 * remember it, and what it finds wrong goes into the same metrics. Safe to repeat.
 */
export async function checkCopy(deps: CheckCopyDependencies, ref: JobRef): Promise<Reported<CheckCopyReply>> {
  const own = await checkPoint(deps, ref.source, await pointOfJob(deps, ref));
  const { point, comparison, late } = own;
  const isSettled = comparison.answer === 'complete' || (comparison.answer === 'incomplete' && late);
  const earlier = isSettled ? await catchUp(deps, point) : [];
  const waiting = earlier.filter(({ state }) => state !== 'protected');
  const reply: CheckCopyReply = {
    state: point.state === 'arriving' ? 'stored' : point.state,
    missing: comparison.answer === 'incomplete' ? comparison.problems.length : 0,
    late: late && point.state !== 'protected',
    caughtUp: earlier.filter(({ state }) => state === 'protected').map(({ id }) => id),
    waiting: waiting.slice(0, mostNamed).map(({ id, code, late: isLate }) => ({ id, code, late: isLate })),
  };
  const wrong = wrongIn(comparison) + earlier.reduce((sum, found) => sum + found.wrong, 0);
  const lateEarlier = waiting.filter((found) => found.late).length;
  return { reply, metrics: metricsOf(deps, own, { wrong, lateEarlier }) };
}

/** More earlier points than these are counted by the metrics alone: a reply must stay far below what Step Functions takes. */
const mostNamed = 20;

async function pointOfJob(deps: CheckCopyDependencies, ref: JobRef): Promise<string> {
  const job = await deps.catalog.getJob(ref);
  if (job === undefined) throw jobNotFound(ref);
  if (job.recoveryPointId !== undefined) return job.recoveryPointId;
  throw new HoldfastError('RECOVERY_POINT_NOT_FOUND', `job ${ref.id} names no recovery point`, {
    hint: 'did the task end before it stored one?',
  });
}

function metricsOf(
  deps: CheckCopyDependencies,
  { point, comparison, storedAt }: LookedAt,
  found: { readonly wrong: number; readonly lateEarlier: number },
): MetricValue[] {
  const { source } = point;
  const metrics: MetricValue[] = [
    { name: metricNames.peerDown, unit: 'Count', value: comparison.answer === 'unreachable' ? 1 : 0 },
  ];
  if (comparison.answer === 'complete') {
    const seconds = Math.max(0, (deps.now().getTime() - storedAt) / 1000);
    metrics.push({ name: metricNames.replicationSeconds, unit: 'Seconds', value: seconds, source });
  }
  metrics.push({ name: metricNames.verificationFailedTotal, unit: 'Count', value: found.wrong, source });
  // That the job's own point is late is told by the job, which fails with it.
  if (found.lateEarlier > 0)
    metrics.push({ name: metricNames.replicationLateTotal, unit: 'Count', value: found.lateEarlier, source });
  return metrics;
}
