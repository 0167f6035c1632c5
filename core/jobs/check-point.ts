import type { CatalogStore } from '../catalog/catalog-store.ts';
import {
  type CheckedPoint,
  compareCopy,
  type CopyComparison,
  type PeerStore,
} from '../catalog/compare-copy.ts';
import { type PointState, recordOf } from '../catalog/point-record.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import { assertNever } from '../errors.ts';
import type { Manifest } from '../vault/manifest.ts';
import type { Vault } from '../vault/vault.ts';

export interface CheckCopyDependencies {
  readonly catalog: CatalogStore;
  readonly vault: Pick<Vault, 'open'>;
  readonly peer: PeerStore;
  /** The Region this runs in. */
  readonly region: string;
  readonly allowanceSeconds: number;
  readonly now: () => Date;
  /** From 0 up to 1: where among the earlier points the catch-up begins. */
  readonly random: () => number;
}

export interface LookedAt {
  readonly point: RecoveryPoint;
  readonly comparison: CopyComparison;
  /** The time allowed for the copy is over. */
  readonly late: boolean;
  /** When the point was stored here, in milliseconds. */
  readonly storedAt: number;
}

/** Holds the signed manifest against the other vault and writes the record that follows, whatever the catalogue said before. */
export async function checkPoint(deps: CheckCopyDependencies, source: string, id: string): Promise<LookedAt> {
  const reader = await deps.vault.open(source, id);
  const comparison = await compareCopy(deps.peer, reader);
  const point = await record(deps, reader.manifest, comparison);
  const storedAt = storedTime(reader);
  return {
    point,
    comparison,
    storedAt,
    late: deps.now().getTime() > storedAt + deps.allowanceSeconds * 1000,
  };
}

/** A task whose clock is ahead writes an end that never comes; then the store's own clock counts. */
function storedTime({ manifest, storedManifest }: CheckedPoint): number {
  return Math.min(Date.parse(manifest.finishedAt), storedManifest.lastModified.getTime());
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

/** What is missing may still come; what is there and differs never gets right by waiting. */
export function wrongIn(comparison: CopyComparison): number {
  return comparison.answer === 'incomplete'
    ? comparison.problems.filter(({ code }) => code !== 'OBJECT_NOT_FOUND').length
    : 0;
}
