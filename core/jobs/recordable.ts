import type { JobResult } from '../catalog/job.ts';

/**
 * UTF-8 bytes for each list. Together 220,000: below the 400 KB of an item of DynamoDB,
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, and below the 256 KiB of a state's data in
 * Step Functions, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html; the rest of a job needs little.
 */
const mostBytes = { faults: 120_000, checks: 40_000, notChecked: 30_000, warnings: 30_000 } as const;
/** Of one text: a server's message may quote a whole definition. */
const mostBytesOfText = 8_000;

type List = keyof typeof mostBytes;

const words: Record<List, string> = {
  faults: 'faults',
  checks: 'checks',
  notChecked: 'things that were not checked',
  warnings: 'warnings',
};

/** A result as a job can hold it: of lists that are very long the first entries, failed checks before others, and how many more the task's log has. */
export function recordable(result: JobResult): JobResult {
  const said: string[] = [];
  const bounded = <T>(list: List, entries: readonly T[] | undefined): T[] | undefined => {
    if (entries === undefined) return undefined;
    const { kept, omitted } = firstOf(entries.map(shortened), mostBytes[list]);
    if (omitted > 0)
      said.push(
        `${omitted} more ${words[list]} do not fit into the job's record: the log of its task names them all`,
      );
    return kept;
  };
  const faults = bounded('faults', result.faults);
  const checks = bounded('checks', failedFirst(result.checks));
  const notChecked = bounded('notChecked', result.notChecked);
  const warnings = bounded('warnings', result.warnings);
  if (said.length === 0 && bytesOf({ faults, checks, notChecked, warnings }) === bytesOf(listsOf(result)))
    return result;
  const lists = {
    faults,
    checks,
    notChecked,
    warnings: said.length === 0 ? warnings : [...(warnings ?? []), ...said],
  };
  return { ...result, ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list !== undefined)) };
}

function listsOf({ faults, checks, notChecked, warnings }: JobResult) {
  return { faults, checks, notChecked, warnings };
}

/** Of very many checks those that matter; a few keep their order. */
function failedFirst(checks: JobResult['checks']): JobResult['checks'] {
  if (checks === undefined || bytesOf(checks) <= mostBytes.checks) return checks;
  return checks.toSorted((a, b) => Number(a.ok) - Number(b.ok));
}

function firstOf<T>(entries: readonly T[], most: number): { readonly kept: T[]; readonly omitted: number } {
  let left = most;
  const end = entries.findIndex((entry) => (left -= bytesOf(entry)) < 0);
  const kept = end === -1 ? [...entries] : entries.slice(0, end);
  return { kept, omitted: entries.length - kept.length };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function shortened<T>(entry: T): T {
  if (typeof entry === 'string') return cut(entry) as T;
  const fields = Object.entries(entry as object).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'string' ? cut(value) : value,
  ]);
  return Object.fromEntries(fields) as T;
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= mostBytesOfText) return text;
  // Half a character at the end is left out, not replaced.
  const head = new TextDecoder().decode(bytes.subarray(0, mostBytesOfText), { stream: true });
  return `${head}… (${bytes.length} bytes)`;
}
