import type { JobResult } from '../catalog/job.ts';

/** An item of DynamoDB holds 400 KB, https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html; the rest of a job needs little. */
const mostCharacters = 150_000;

/** A result as a job can hold it: of very many faults the first, and how many more the task's log has. */
export function recordable(result: JobResult): JobResult {
  const { faults = [] } = result;
  let left = mostCharacters;
  const kept = faults.filter((fault) => (left -= JSON.stringify(fault).length) >= 0);
  const omitted = faults.length - kept.length;
  if (omitted === 0) return result;
  const more = `${omitted} more faults do not fit into the job's record: the log of its task names them all`;
  return { ...result, faults: kept, warnings: [...(result.warnings ?? []), more] };
}
