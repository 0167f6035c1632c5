import { createHash } from 'node:crypto';
import { recordedReach } from '../canary/reach.ts';
import type { Manifest } from '../vault/manifest.ts';
import { manifestBytes } from '../vault/manifest-store.ts';
import type { RecoveryPoint } from './recovery-point.ts';

/** What a state adds to the facts that stand in the manifest. */
export type PointState =
  | { readonly state: 'stored' }
  | { readonly state: 'storedPeerDown'; readonly since: string }
  | { readonly state: 'arriving'; readonly missing: number }
  | { readonly state: 'protected'; readonly protectedAt: string };

/** The catalogue's record of a recovery point: the manifest's facts, so that the vault alone can give it again. */
export function recordOf(manifest: Manifest, region: string, state: PointState): RecoveryPoint {
  const madeIn = manifest.billOfMaterials['region'];
  return {
    schemaVersion: 1,
    id: manifest.id,
    source: manifest.source,
    region: typeof madeIn === 'string' ? madeIn : region,
    type: manifest.type,
    engine: manifest.engine,
    startedAt: manifest.startedAt,
    finishedAt: manifest.finishedAt,
    ...(manifest.lockedUntil !== undefined && { lockedUntil: manifest.lockedUntil }),
    manifestSha256: createHash('sha256').update(manifestBytes(manifest)).digest('hex'),
    items: manifest.totals.items,
    rows: manifest.totals.rows,
    bytes: manifest.totals.bytes,
    storedBytes: manifest.totals.storedBytes,
    notCovered: manifest.notCovered.length,
    reach: recordedReach(manifest),
    ...state,
  };
}
