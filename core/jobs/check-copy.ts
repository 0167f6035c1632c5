import type { CatalogStore } from '../catalog/catalog-store.ts';
import { compareCopy, type CopyComparison, type CopyStores } from '../catalog/compare-copy.ts';
import { type PointState, withState } from '../catalog/point-record.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import { assertNever, HoldfastError } from '../errors.ts';
import type { Vault } from '../vault/vault.ts';
import type { CheckCopyReply, Reported } from './messages.ts';
import { metricNames, type MetricValue } from './metrics.ts';

/** Earlier points of the source that one call looks at again, oldest first, so that an outage is caught up run by run within the Lambda's time. */
const catchUpPoints = 10;

export interface CheckCopyDependencies {
  readonly catalog: CatalogStore;
  readonly vault: Pick<Vault, 'open'>;
  readonly stores: CopyStores;
  readonly allowanceSeconds: number;
  readonly now: () => Date;
}

/**
 * Looks whether the other Region holds the whole recovery point of a backup job, and records the state. While that Region is
 * silent the point is `storedPeerDown`; later runs find it again, so nobody has to remember it. Safe to repeat.
 */
export async function checkCopy(
  deps: CheckCopyDependencies,
  jobId: string,
): Promise<Reported<CheckCopyReply>> {
  const point = await pointOfJob(deps, jobId);
  const comparison = await compare(deps, point);
  const checked = await record(deps, point, comparison);
  const caughtUp = comparison.answer === 'unreachable' ? [] : await catchUp(deps, point);
  const late = deps.now().getTime() > Date.parse(point.finishedAt) + deps.allowanceSeconds * 1000;
  const reply: CheckCopyReply = {
    state: checked.state === 'arriving' ? 'stored' : checked.state,
    missing: comparison.answer === 'incomplete' ? comparison.problems.length : 0,
    late: late && checked.state !== 'protected',
    caughtUp,
  };
  return { reply, metrics: metricsOf(deps, checked, comparison) };
}

async function pointOfJob(deps: CheckCopyDependencies, jobId: string): Promise<RecoveryPoint> {
  const job = await deps.catalog.getJob(jobId);
  if (job === undefined) throw new HoldfastError('JOB_NOT_FOUND', `no job ${jobId} is in the catalogue`);
  const point = job.recoveryPointId && (await deps.catalog.getRecoveryPoint(job.source, job.recoveryPointId));
  if (!point) {
    throw new HoldfastError(
      'RECOVERY_POINT_NOT_FOUND',
      `job ${jobId} has no recovery point in the catalogue`,
      {
        hint: 'did the task end before it stored one?',
      },
    );
  }
  return point;
}

async function compare(deps: CheckCopyDependencies, point: RecoveryPoint): Promise<CopyComparison> {
  if (point.state === 'protected') return { answer: 'complete' };
  const { manifest } = await deps.vault.open(point.source, point.id);
  return compareCopy(deps.stores, manifest);
}

async function record(
  deps: CheckCopyDependencies,
  point: RecoveryPoint,
  comparison: CopyComparison,
): Promise<RecoveryPoint> {
  const next = nextState(comparison, deps.now());
  if (next.state === point.state) return point;
  const changed = withState(point, next);
  await deps.catalog.putRecoveryPoint(changed);
  return changed;
}

function nextState(comparison: CopyComparison, now: Date): PointState {
  switch (comparison.answer) {
    case 'complete':
      return { state: 'protected', protectedAt: now.toISOString() };
    case 'incomplete':
      return { state: 'stored' };
    case 'unreachable':
      return { state: 'storedPeerDown', since: now.toISOString() };
    default:
      return assertNever(comparison);
  }
}

/** Points of earlier runs that still wait for their copy. Those made elsewhere are that Region's business. */
async function catchUp(deps: CheckCopyDependencies, own: RecoveryPoint): Promise<string[]> {
  const recent = await deps.catalog.listRecoveryPoints({ source: own.source, limit: 1000 });
  const waiting = recent
    .filter(({ id, region, state }) => id !== own.id && region === own.region && state !== 'protected')
    .toReversed()
    .slice(0, catchUpPoints);
  const caughtUp: string[] = [];
  for (const point of waiting) {
    const comparison = await compare(deps, point);
    if (comparison.answer === 'unreachable') break;
    if ((await record(deps, point, comparison)).state === 'protected') caughtUp.push(point.id);
  }
  return caughtUp;
}

function metricsOf(
  deps: CheckCopyDependencies,
  point: RecoveryPoint,
  comparison: CopyComparison,
): MetricValue[] {
  const { source } = point;
  const metrics: MetricValue[] = [
    { name: metricNames.peerDown, unit: 'Count', value: comparison.answer === 'unreachable' ? 1 : 0 },
  ];
  if (comparison.answer === 'complete') {
    const seconds = Math.max(0, (deps.now().getTime() - Date.parse(point.finishedAt)) / 1000);
    metrics.push({ name: metricNames.replicationSeconds, unit: 'Seconds', value: seconds, source });
  }
  // What is missing may still come; what is there and differs never gets right by waiting.
  const wrong =
    comparison.answer === 'incomplete'
      ? comparison.problems.filter(({ code }) => code !== 'OBJECT_NOT_FOUND').length
      : 0;
  metrics.push({ name: metricNames.verificationFailedTotal, unit: 'Count', value: wrong, source });
  return metrics;
}
