import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Plan } from './plan.ts';

/** Output of every stack that says for which plan it was deployed. */
export const planFingerprintOutput = 'PlanFingerprint';

/**
 * Tells two plans apart by what they mean: comments, order and spelling of the file do not count, nor does what follows from
 * the day on which it is read. 16 hexadecimal digits.
 */
export function planFingerprint(plan: Plan): string {
  const sources = plan.sources.map((source) => {
    const { full, timezone } = source.schedule;
    return { ...source, schedule: { full, timezone } };
  });
  const text = canonicalize({ ...plan, sources }) ?? '';
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
