import { type Canary, type CanaryKey, recordedCanarySchema, verifyCanary } from '../../canary/canary.ts';
import type { Reach } from '../../canary/reach.ts';
import type { Manifest } from '../../vault/manifest.ts';
import type { CheckResult } from '../engine.ts';
import { readCanaries } from './canary.ts';
import type { Session } from './session.ts';

export interface CanaryFindings {
  readonly check: Omit<CheckResult, 'name'>;
  readonly notChecked: readonly string[];
  /** Only a row whose signature holds measures anything. */
  readonly recoveredTo?: Reach;
}

/** The newest canary is the one that the snapshot had, and is genuine. */
export async function checkCanary(
  session: Session,
  recorded: NonNullable<Manifest['canary']>,
  key: CanaryKey | undefined,
): Promise<CanaryFindings> {
  const expected = recordedCanarySchema.parse(recorded);
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

function unsigned(same: string, why: string): CanaryFindings {
  return {
    check: { ok: true, detail: same },
    notChecked: [`canary signature: ${why}, so loss is measured by the snapshot only`],
  };
}

function nameOf({ seq, writtenAt }: Canary): string {
  return `number ${seq} of ${writtenAt.toISOString()}`;
}
