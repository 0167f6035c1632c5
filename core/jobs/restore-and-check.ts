import type { CanaryKey } from '../canary/canary.ts';
import type { JobResult } from '../catalog/job.ts';
import type { CheckResult, RestoreOutcome } from '../engines/engine.ts';
import { plural } from '../plural.ts';
import { errorCatalogue, type ErrorCode, HoldfastError, isHoldfastError } from '../errors.ts';
import type { PassedOverRecoveryPoint, RecoveryPointReader } from '../vault/vault.ts';
import { type JobContext, secondsSince } from './job-context.ts';
import type { ProgressMeter } from './progress.ts';

/** Filled step by step, so that a job that failed still tells what it found out. */
export interface RestoreFindings {
  items: number;
  rows: number;
  phases: { name: string; seconds: number }[];
  checks: CheckResult[];
  warnings: string[];
  faults: NonNullable<JobResult['faults']>;
  notChecked: string[];
  recoveredTo?: NonNullable<JobResult['recoveredTo']>;
  measuredRpoSeconds?: number;
}

export function noFindings(): RestoreFindings {
  return { items: 0, rows: 0, phases: [], checks: [], warnings: [], faults: [], notChecked: [] };
}

/** What both kinds of restore bring along for the checks at their end. */
export interface CheckOrder {
  /** The plan's own. */
  readonly assertions: readonly { readonly name: string; readonly sql: string }[];
  /** Assertions of the plan that had no room in the order. @default 0 */
  readonly assertionsLeftOut?: number;
  /** Read once the rows are in: without it the restore still ends, and says what it could not measure. */
  readonly canaryKey?: () => Promise<CanaryKey>;
  /** See the engine's `CheckContext`. */
  readonly canaryCommand?: string;
}

export interface RestoreJob<Connection> extends JobContext<Connection>, CheckOrder {
  readonly recoveryPointId: string;
  readonly connect: () => Promise<Connection>;
  /** Only these, as `schema.table`. */
  readonly tables?: readonly string[];
  /** True when an object that could not be made fails the job; the rows stay in the target. @default false */
  readonly strict?: boolean;
  /** Newer points that whoever resolved `latest` could not take; told as warnings. */
  readonly passedOver?: readonly PassedOverRecoveryPoint[];
}

export interface RestoreAndCheck {
  readonly reader: RecoveryPointReader;
  readonly meter: ProgressMeter;
  readonly findings: RestoreFindings;
  /** From then on the source's data counts as lost. */
  readonly orderedAt: Date;
}

type Context<Connection> = Pick<
  RestoreJob<Connection>,
  'engine' | 'connect' | 'connections' | 'tables' | 'strict' | 'signal' | 'log' | 'now' | keyof CheckOrder
>;

/**
 * Restores, then checks what was restored: no restore is done before somebody looked at the data.
 * @throws CHECK_FAILED when a check does not hold; the data stays, and the findings name every check.
 * RESTORED_WITH_FAULTS for a strict one. ROWS_NOT_RESTORED, with the faults among the findings
 */
export async function restoreAndCheck<Connection>(
  context: Context<Connection>,
  work: RestoreAndCheck,
): Promise<void> {
  await restoreThenCheck(context, work).catch((error: unknown) => {
    throw aboutTarget(error);
  });
}

/** An engine speaks of its server as the source; in a restore it is the target, and only that is to be looked at. */
const targetCodes: Partial<Record<ErrorCode, ErrorCode>> = {
  SOURCE_UNREACHABLE: 'TARGET_UNREACHABLE',
  SOURCE_CREDENTIALS: 'TARGET_CREDENTIALS',
  SOURCE_PRIVILEGES: 'TARGET_PRIVILEGES',
  SOURCE_TLS: 'TARGET_TLS',
};

function aboutTarget(error: unknown): unknown {
  const code = isHoldfastError(error) ? targetCodes[error.code] : undefined;
  if (!isHoldfastError(error) || code === undefined) return error;
  const { hint, detail } = error;
  return new HoldfastError(code, error.message, {
    cause: error,
    ...(hint !== undefined && { hint: hint.replace(/\bsource\b/g, 'target') }),
    ...(detail !== undefined && { detail }),
  });
}

async function restoreThenCheck<Connection>(
  context: Context<Connection>,
  work: RestoreAndCheck,
): Promise<void> {
  const { reader, meter, findings } = work;
  const { outcome, phases } = await checkAndRestore(context, { reader, meter }).catch((error: unknown) => {
    findings.faults = faultsIn(error);
    throw error;
  });
  const { items, rows, faults } = outcome;
  const warnings = [...findings.warnings, ...outcome.warnings];
  Object.assign(findings, { items, rows, phases, warnings, faults: faults.map((fault) => ({ ...fault })) });
  meter.enter('check data');
  const begun = context.now();
  // Asked again: a password may have been changed in the hours that the rows took.
  await check({ ...context, connection: await context.connect() }, work);
  findings.phases.push({ name: 'check data', seconds: secondsSince(begun, context.now()) });
  requireChecks(findings.checks);
  if (context.strict === true) requireNoFaults(findings.faults);
}

/** What a restore that did not bring in all rows had to name besides. */
function faultsIn(error: unknown): RestoreFindings['faults'] {
  if (!isHoldfastError(error, 'ROWS_NOT_RESTORED')) return [];
  return [...((error.detail?.['faults'] ?? []) as RestoreFindings['faults'])];
}

function requireNoFaults(faults: RestoreFindings['faults']): void {
  const [first] = faults;
  if (first === undefined) return;
  const more = faults.length === 1 ? '' : `, and ${faults.length - 1} more`;
  throw new HoldfastError(
    'RESTORED_WITH_FAULTS',
    `all rows are in the target, but not ${first.object}: ${first.message}${more}`,
    {
      hint: 'the job names every fault; does the source have it too? mend it there, or make the objects by hand in the target, where the rows stay',
    },
  );
}

async function check<Connection>(
  context: Context<Connection> & { readonly connection: Connection },
  { reader, findings, orderedAt }: RestoreAndCheck,
): Promise<void> {
  const { engine, connection, assertions, assertionsLeftOut = 0, canaryCommand, tables, signal } = context;
  const { manifest } = reader;
  const key = manifest.canary === undefined ? {} : await readKey(context);
  const report = await engine.check({
    connection,
    manifest,
    assertions,
    faults: findings.faults,
    signal,
    ...(canaryCommand !== undefined && { canaryCommand }),
    ...(tables !== undefined && { only: tables }),
    ...(key.canaryKey !== undefined && { canaryKey: key.canaryKey }),
  });
  findings.checks = [...report.checks];
  findings.notChecked = [
    ...report.notChecked,
    ...(key.reason === undefined ? [] : [`canary signature: ${key.reason}`]),
    ...(assertionsLeftOut === 0
      ? []
      : [
          `${plural(assertionsLeftOut, 'assertion')} of the plan: too long for the order of a task; run them by hand`,
        ]),
  ];
  const { recoveredTo } = report;
  findings.recoveredTo = { ...recoveredTo };
  if (recoveredTo.by === 'canary')
    findings.measuredRpoSeconds = secondsSince(new Date(recoveredTo.at), orderedAt);
}

async function readKey({
  canaryKey,
}: Pick<CheckOrder, 'canaryKey'>): Promise<{ readonly canaryKey?: CanaryKey; readonly reason?: string }> {
  if (canaryKey === undefined) return {};
  try {
    return { canaryKey: await canaryKey() };
  } catch (error) {
    // The data is back: that nobody can say how fresh it is must not undo it.
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

function requireChecks(checks: readonly CheckResult[]): void {
  const failed = checks.filter(({ ok }) => !ok);
  const [first] = failed;
  if (first === undefined) return;
  throw new HoldfastError(
    'CHECK_FAILED',
    `${failed.length} of ${checks.length} checks failed: ${first.name}: ${first.detail}`,
    {
      hint: 'every row that was stored is in the target, and stays there; is the point damaged, or does the assertion no longer fit the data? compare with an earlier point',
    },
  );
}

export interface CheckedRestore {
  readonly outcome: RestoreOutcome;
  readonly phases: { readonly name: string; readonly seconds: number }[];
}

/** Checks the objects, then restores. */
export async function checkAndRestore<Connection>(
  context: Pick<
    RestoreJob<Connection>,
    'engine' | 'connect' | 'connections' | 'tables' | 'signal' | 'log' | 'now'
  >,
  { reader, meter }: { readonly reader: RecoveryPointReader; readonly meter: ProgressMeter },
): Promise<CheckedRestore> {
  const { signal, now } = context;
  const begun = now();
  // One table needs only its own objects: what else is damaged or archived must not stand in its way.
  const needed = context.tables && context.engine.itemsFor(reader.manifest, context.tables);
  await requireWhole(reader, needed, context.log);
  const checked = secondsSince(begun, now());
  signal.throwIfAborted();
  meter.enter('restore');
  const outcome = await context.engine.restore({
    connection: await context.connect(),
    connections: context.connections,
    signal,
    manifest: reader.manifest,
    read: (item) => reader.read(item, { signal }),
    onProgress: (progress) => meter.report(progress),
    log: context.log,
    ...(context.tables !== undefined && { only: context.tables }),
  });
  return { outcome, phases: [{ name: 'check objects', seconds: checked }, ...outcome.phases] };
}

/** Refuses a point of which something needed is missing or altered beyond what another version can replace. */
async function requireWhole(
  reader: RecoveryPointReader,
  needed: readonly string[] | undefined,
  log: RestoreJob<unknown>['log'],
): Promise<void> {
  const { problems, thaw } = await reader.checkBeforeRestore(needed);
  for (const problem of problems) log.warn('an object is not as the manifest says', { ...problem });
  const fatals = problems.filter(({ recoverable }) => !recoverable);
  // A point that is damaged too need not be thawed.
  const fatal = fatals.find(({ code }) => code !== 'ARCHIVED') ?? fatals[0];
  if (fatal === undefined) return;
  if (fatal.code === 'ARCHIVED' && thaw !== undefined) {
    throw new HoldfastError(
      'ARCHIVED',
      `recovery point ${reader.manifest.id} cannot be restored yet: ${thaw.detail}`,
      { hint: `the target was not touched; ${thaw.hint}`, detail: { problems: fatals.slice(0, 20) } },
    );
  }
  const code = fatal.code in errorCatalogue ? (fatal.code as ErrorCode) : 'OBJECT_CORRUPT';
  throw new HoldfastError(
    code,
    `recovery point ${reader.manifest.id} cannot be restored: ${fatal.key}: ${fatal.detail}`,
    {
      hint: 'the target was not touched; take another recovery point, or another copy of this one',
      detail: { problems: problems.slice(0, 20) },
    },
  );
}
