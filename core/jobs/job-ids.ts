import { createHash } from 'node:crypto';
import { ulid } from 'ulid';

/**
 * An id that one execution always gives again: a ULID with the execution's start as its time and a hash as its random part.
 * Every repeated call of a handler then means the same record, and a claim whose answer was lost is found again.
 */
export function idFor(
  what: 'job' | 'point',
  execution: { readonly arn: string; readonly startedAt: Date },
): string {
  const digest = createHash('sha256').update(`${what}|${execution.arn}`).digest();
  let next = 0;
  return ulid(execution.startedAt.getTime(), () => (digest[next++ % digest.length] ?? 0) / 256);
}
