import type { JobError } from '../catalog/job.ts';
import { errorCodeOf, HoldfastError } from '../errors.ts';

/** What is recorded with a failed job. */
export function jobErrorOf(error: unknown): JobError {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof HoldfastError ? error.hint : undefined;
  return { code: errorCodeOf(error), message, ...(hint !== undefined && { hint }) };
}
