import { jobNotFound } from '../catalog/catalog-refusals.ts';
import type { CatalogStore, JobRef } from '../catalog/catalog-store.ts';
import { compareCopy, type CopyComparison, type CopyStores } from '../catalog/compare-copy.ts';
import { type PointState, recordOf } from '../catalog/point-record.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import { assertNever, HoldfastError } from '../errors.ts';
import type { Manifest } from '../vault/manifest.ts';
import { isPassedOver } from '../vault/recovery-point-writer.ts';
import type { Vault } from '../vault/vault.ts';
import type { CheckCopyReply, Reported } from './messages.ts';
import { metricNames, type MetricValue } from './metrics.ts';

/** Earlier points of the source that one call looks at again, oldest first, so that an outage is caught up run by run within the Lambda's time. */
const catchUpPoints = 10;

export interface CheckCopyDependencies {
  readonly catalog: CatalogStore;
  readonly vault: Pick<Vault, 'open'>;
  readonly stores: CopyStores;
  /** The Region this runs in. */
  readonly region: string;
  readonly allowanceSeconds: number;
  readonly now: () => Date;
}

/**
 * Looks whether the other Region holds the whole recovery point of a backup job, and records the state. The manifest and the
 * objects say so, never the catalogue: its records are written by the very task that is being checked. While that Region is
 * silent the point is `storedPeerDown`; later runs find it again, so nobody has to remember it. Safe to repeat.
 */
export async function checkCopy(deps: CheckCopyDependencies, ref: JobRef): Promise<Reported<CheckCopyReply>> {
  const { point, comparison } = await checkPoint(deps, ref.source, await pointOfJob(deps, ref));
  const caughtUp = comparison.answer === 'unreachable' ? [] : await catchUp(deps, point);
  const late = deps.now().getTime() > Date.parse(point.finishedAt) + deps.allowanceSeconds * 1000;
  const reply: CheckCopyReply = {
    state: point.state === 'arriving' ? 'stored' : point.state,
    missing: comparison.answer === 'incomplete' ? comparison.problems.length : 0,
    late: late && point.state !== 'protected',
    caughtUp,
  };
  return { reply, metrics: metricsOf(deps, point, comparison) };
}

async function pointOfJob(deps: CheckCopyDependencies, ref: JobRef): Promise<string> {
  const job = await deps.catalog.getJob(ref);
  if (job === undefined) throw jobNotFound(ref);
  if (job.recoveryPointId !== undefined) return job.recoveryPointId;
  throw new HoldfastError('RECOVERY_POINT_NOT_FOUND', `job ${ref.id} names no recovery point`, {
    hint: 'did the task end before it stored one?',
  });
}

interface CheckedPoint {
  readonly point: RecoveryPoint;
  readonly comparison: CopyComparison;
}

/** Holds the signed manifest against both vaults and writes the record that follows, whatever the catalogue said before. */
async function checkPoint(deps: CheckCopyDependencies, source: string, id: string): Promise<CheckedPoint> {
  const { manifest } = await deps.vault.open(source, id);
  const comparison = await compareCopy(deps.stores, manifest);
  return { point: await record(deps, manifest, comparison), comparison };
}

async function record(
  deps: CheckCopyDependencies,
  manifest: Manifest,
  comparison: CopyComparison,
): Promise<RecoveryPoint> {
  const known = await deps.catalog.getRecoveryPoint(manifest.source, manifest.id);
  // Silence of the other Region takes back nothing that was seen there before.
  if (known?.state === 'protected' && comparison.answer === 'unreachable') return known;
  const found = recordOf(manifest, deps.region, nextState(comparison, deps.now()));
  if (known?.state === found.state && known.manifestSha256 === found.manifestSha256) return known;
  const point = known?.restoreTest === undefined ? found : { ...found, restoreTest: known.restoreTest };
  await deps.catalog.putRecoveryPoint(point, { recomputed: true });
  return point;
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
  for (const { id } of waiting) {
    try {
      const { point, comparison } = await checkPoint(deps, own.source, id);
      if (comparison.answer === 'unreachable') break;
      if (point.state === 'protected') caughtUp.push(id);
    } catch (error) {
      // A record without a point that it could be about says nothing about this job.
      if (!isPassedOver(error)) throw error;
    }
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
