import { type ErrorCode, isHoldfastError } from '../core/errors.ts';
import { describePassedOver } from '../core/vault/passed-over.ts';
import type { PassedOverRecoveryPoint, Vault, VerifyReport } from '../core/vault/vault.ts';

/** What a restore of `latest` takes when the newest recovery point has problems. */
export interface LatestInstead {
  /** For an operator; empty when there is nothing to say. */
  readonly lines: readonly string[];
  readonly id?: string;
  readonly passedOver?: readonly PassedOverRecoveryPoint[];
}

const nothingToTake: ReadonlySet<ErrorCode> = new Set([
  'RECOVERY_POINT_ARRIVING',
  'RECOVERY_POINT_NOT_FOUND',
  'MANIFEST_SIGNATURE',
  'MANIFEST_INVALID',
  'MANIFEST_TOO_NEW',
]);

/** `verify latest` looks at the newest point, however it stands; a restore may have to take an older one. */
export async function latestInstead(
  vault: Pick<Vault, 'open'>,
  source: string,
  { wanted, report }: { readonly wanted: string; readonly report: VerifyReport },
): Promise<LatestInstead> {
  if (wanted !== 'latest' || report.ok) return { lines: [] };
  try {
    const { manifest, passedOver } = await vault.open(source, 'latest');
    if (passedOver.length === 0) return { lines: [] };
    const taken = `a restore of latest takes ${manifest.id}, of ${manifest.finishedAt}`;
    return { lines: [...describePassedOver(passedOver), taken], id: manifest.id, passedOver };
  } catch (error) {
    if (!isHoldfastError(error) || !nothingToTake.has(error.code)) throw error;
    return { lines: [`a restore of latest finds nothing that it can take: ${error.code}`] };
  }
}
