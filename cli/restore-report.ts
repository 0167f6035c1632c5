import { type JobKind, type JobResult, jobResultSchema } from '../core/catalog/job.ts';
import { type CheckResult, nothingToCheck } from '../core/engines/engine.ts';
import { errorCatalogue, HoldfastError, isHoldfastError } from '../core/errors.ts';
import { formatDuration } from '../core/plan/duration.ts';
import { formatTime } from './tables.ts';

type Findings = Pick<
  JobResult,
  'checks' | 'warnings' | 'faults' | 'notChecked' | 'recoveredTo' | 'measuredRpoSeconds'
>;

export interface Restored {
  readonly kind: JobKind;
  /** Of a restore that failed. */
  readonly errorCode?: string | undefined;
  /** Only these were restored; everything when missing. */
  readonly tables?: readonly string[] | undefined;
}

/** What a person reads at the end of a restore: how far the data reaches, what was checked, what was not, what comes next. */
export function describeRestored(result: Findings, { kind, errorCode, tables }: Restored): string[] {
  const { checks = [], notChecked = [], faults = [] } = result;
  const failed = checks.filter(({ ok }) => !ok).length;
  return [
    ...reachOf(result),
    ...checks.map(describeCheck),
    ...notChecked.map((what) => `  not checked: ${what}`),
    ...describeFaults(faults, errorCode === undefined || errorCode === 'RESTORED_WITH_FAULTS'),
    ...((checks.length === 0 && faults.length === 0) ||
    kind !== 'restore' ||
    errorCode === 'ROWS_NOT_RESTORED'
      ? []
      : [`  ${nextStep(failed, faults.length, tables !== undefined)}`]),
  ];
}

function describeCheck({ ok, name, detail }: CheckResult): string {
  if (ok && detail === nothingToCheck) return `  nothing to check: ${name}`;
  return `  ${ok ? 'held' : 'FAILED'}: ${name} (${detail})`;
}

const shownFaults = 20;

/** `whole`: every row is in; a restore that failed otherwise promises nothing about them. */
function describeFaults(faults: NonNullable<Findings['faults']>, whole: boolean): string[] {
  if (faults.length === 0) return [];
  const more = faults.length - shownFaults;
  return [
    `  ${whole ? 'restored with faults: every row is in, and' : 'not restored whole:'} ${faults.length} object${faults.length === 1 ? ' is' : 's are'} not as in the source`,
    ...faults
      .slice(0, shownFaults)
      .map(
        ({ object, message, sqlState }) =>
          `    ${object}: ${message}${sqlState === undefined ? '' : ` (${sqlState})`}`,
      ),
    ...(more > 0 ? [`    and ${more} more; --json has all of them`] : []),
  ];
}

/** Of a job that is done: 0, 5 when objects are missing, 1 for a restore test that did not pass. */
export function exitCodeOf({ faults = [], verdict }: Pick<JobResult, 'faults' | 'verdict'>): number {
  if (verdict !== undefined && verdict !== 'PASSED') return 1;
  return faults.length === 0 ? 0 : errorCatalogue.RESTORED_WITH_FAULTS.exitCode;
}

/** What was stopped in the middle leaves rows behind, and a restore takes no target that holds any. */
export function stoppedRestore(error: unknown, tables: readonly string[] | undefined): unknown {
  if (!isHoldfastError(error, 'JOB_ABORTED')) return error;
  const { code, message, detail } = error;
  const hint =
    tables === undefined
      ? 'the target may be half filled: drop it and begin with an empty one'
      : 'the tables may be half filled: drop them in the target and begin again';
  return new HoldfastError(code, message, { hint, cause: error, ...(detail !== undefined && { detail }) });
}

/** What a failed restore had found out, for whoever gets only the error. */
export function resultOf(error: unknown): JobResult | undefined {
  if (!(error instanceof HoldfastError)) return undefined;
  const parsed = jobResultSchema.safeParse(error.detail?.['result']);
  return parsed.success ? parsed.data : undefined;
}

/** Of what a restore found out, as `--json` has it; always there, so that a script need not ask. */
export function restoredJson(result: Findings) {
  const {
    checks = [],
    warnings = [],
    faults = [],
    notChecked = [],
    recoveredTo,
    measuredRpoSeconds,
  } = result;
  return { checks, warnings, faults, notChecked, recoveredTo, measuredRpoSeconds };
}

/** One line of the same, for lists. */
export function summarizeRestored({
  checks = [],
  faults = [],
  recoveredTo,
  measuredRpoSeconds,
}: Findings): string {
  const failed = checks.filter(({ ok }) => !ok).length;
  return [
    ...(checks.length === 0
      ? []
      : [failed > 0 ? `${failed} of ${checks.length} checks FAILED` : `${checks.length} checks held`]),
    ...(faults.length === 0 ? [] : [`${faults.length} FAULTS`]),
    ...(recoveredTo === undefined ? [] : [`data up to ${formatTime(recoveredTo.at)} (${recoveredTo.by})`]),
    ...(measuredRpoSeconds === undefined ? [] : [`measured RPO ${formatDuration(measuredRpoSeconds)}`]),
  ].join(', ');
}

function reachOf({ recoveredTo, measuredRpoSeconds }: Findings): string[] {
  if (recoveredTo === undefined) return [];
  const { at, by } = recoveredTo;
  if (by === 'canary' && measuredRpoSeconds !== undefined)
    return [
      `  the data reaches to ${at}, by its newest genuine canary: ${formatDuration(measuredRpoSeconds)} before this was ordered (the measured RPO); after a disaster the loss is from then to the fault`,
    ];
  return [`  the data reaches to ${at}, when its snapshot was taken; no canary tells it more exactly`];
}

/** `partial`: single tables are no database that applications could work with. */
function nextStep(failed: number, faults: number, partial: boolean): string {
  if (failed > 0)
    return 'next: do not point applications at it before you know why; the data stays in the target';
  if (partial) {
    const first = faults > 0 ? 'look at the faults first, then ' : '';
    return `next: ${first}copy from these tables into the applications' database what it has lost; nothing else was restored`;
  }
  if (faults > 0)
    return 'next: look at the faults first; point the applications at it only when they can do without what is missing';
  return 'next: point the applications at it, and keep what it replaces until somebody lets that go';
}
