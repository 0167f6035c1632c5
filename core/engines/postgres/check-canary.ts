import { type Canary, type CanaryKey, recordedCanarySchema, verifyCanary } from '../../canary/canary.ts';
import { type Reach, snapshotReach } from '../../canary/reach.ts';
import type { Manifest } from '../../vault/manifest.ts';
import type { CheckResult } from '../engine.ts';
import { isAhead } from '../../clock-skew.ts';
import { readCanaries } from './canary.ts';
import type { Session } from './session.ts';

export interface CanaryFindings {
  readonly check: Omit<CheckResult, 'name'>;
  readonly notChecked: readonly string[];
  /** Only a row whose signature holds measures anything. */
  readonly recoveredTo?: Reach;
}

/**
 * The newest canary is the one that the snapshot had, and is genuine. What a snapshot holds was written before it: a genuine
 * row of a later time is of a writer whose clock is wrong, or of a thief with the key, and measures nothing.
 */
export async function checkCanary(
  session: Session,
  manifest: Pick<Manifest, 'canary' | 'position' | 'startedAt' | 'finishedAt'>,
  key: CanaryKey | undefined,
): Promise<CanaryFindings> {
  const expected = recordedCanarySchema.parse(manifest.canary);
  const rows = await readCanaries(session, expected.schema);
  const [newest] = rows;
  const isSame = newest?.seq === expected.seq && newest.writtenAt.toISOString() === expected.writtenAt;
  if (newest === undefined || !isSame) {
    const found = newest === undefined ? 'none' : nameOf(newest);
    const detail = `the newest canary is ${found} instead of number ${expected.seq} of ${expected.writtenAt}`;
    return { check: { ok: false, detail }, notChecked: [] };
  }
  const same = `the newest canary is ${nameOf(newest)}, as in the source`;
  if (key === undefined) return unsigned(same, 'no key was given to this check');
  const verdicts = rows.map((row) => ({ row, verdict: verifyCanary(key, row) }));
  const genuine = verdicts.find(({ verdict }) => verdict === 'valid')?.row;
  const [first] = verdicts;
  const limit = latestPossible(manifest);
  if (genuine !== undefined && isAhead(genuine.writtenAt, limit))
    return tooLate(genuine, { limit, isNewest: first?.verdict === 'valid' });
  const recoveredTo =
    genuine === undefined
      ? {}
      : { recoveredTo: { at: genuine.writtenAt.toISOString(), by: 'canary' as const } };
  if (first?.verdict === 'valid')
    return { check: { ok: true, detail: `${same}; its signature holds` }, notChecked: [], ...recoveredTo };
  if (first?.verdict === 'unknownKey')
    return { ...unsigned(same, 'it was signed with another key than the one given'), ...recoveredTo };
  const detail = `${nameOf(newest)} carries no valid signature: whoever wrote it does not hold the key${
    genuine === undefined ? '' : `; the newest genuine one is ${nameOf(genuine)}`
  }`;
  return { check: { ok: false, detail }, notChecked: [], ...recoveredTo };
}

/** The snapshot's time is of the server's clock, the point's end of the task's: a row is later than neither. */
function latestPossible(manifest: Pick<Manifest, 'position' | 'startedAt' | 'finishedAt'>): Date {
  const snapshot = Date.parse(snapshotReach(manifest).at);
  return new Date(Math.min(snapshot, Date.parse(manifest.finishedAt)));
}

function tooLate(
  row: Canary,
  { limit, isNewest }: { readonly limit: Date; readonly isNewest: boolean },
): CanaryFindings {
  const detail = `the canary ${nameOf(row)} is later than the snapshot of ${limit.toISOString()} that holds it`;
  return {
    check: { ok: isNewest, detail: isNewest ? detail : `${detail}, and newer rows carry no valid signature` },
    notChecked: [
      `canary: ${detail}: the writer's clock is wrong, or somebody else has the key, so loss is measured by the snapshot only`,
    ],
  };
}

function unsigned(same: string, why: string): CanaryFindings {
  return {
    check: { ok: true, detail: same },
    notChecked: [`canary signature: ${why}, so loss is measured by the snapshot only`],
  };
}

function nameOf({ seq, writtenAt }: Canary): string {
  return `number ${seq} of ${writtenAt.toISOString()}`;
}
