import type { CanaryRemoval, CanaryStatus } from '../core/engines/postgres/canary-table.ts';
import { isAhead } from '../core/clock-skew.ts';
import { HoldfastError } from '../core/errors.ts';
import { formatDuration } from '../core/plan/duration.ts';
import type { CommandResult } from './run-command.ts';

/** Rows may be this many intervals late before somebody should look. */
const lateIntervals = 3;

export interface StatusReport {
  readonly status: CanaryStatus;
  /** The interval of the writer. */
  readonly everySeconds: number;
  readonly now: Date;
}

/** Exit code 1 when the newest genuine row is too old to measure anything by, or is of a time that has not come. */
export function reportStatus({ status, everySeconds, now }: StatusReport): CommandResult {
  const { schema, newest, newestGenuine: genuine } = status;
  const ageSeconds = genuine === undefined ? undefined : (now.getTime() - genuine.writtenAt.getTime()) / 1000;
  const aheadSeconds =
    genuine !== undefined && isAhead(genuine.writtenAt, now) ? -(ageSeconds ?? 0) : undefined;
  const ok =
    ageSeconds !== undefined &&
    aheadSeconds === undefined &&
    ageSeconds <= everySeconds * lateIntervals &&
    newest?.verdict === 'valid';
  const lines = [
    newest === undefined
      ? `the canary table ${schema}.canary is empty: no writer has written yet`
      : `newest canary in ${schema}.canary: number ${newest.seq} of ${newest.writtenAt.toISOString()}, signature ${newest.verdict ?? 'not checked'}`,
    ...(genuine === undefined || aheadSeconds !== undefined
      ? []
      : [
          `a backup taken now would reach to ${genuine.writtenAt.toISOString()}, ${formatDuration(Math.max(0, ageSeconds ?? 0))} ago`,
        ]),
    ...(ok ? [] : [`FAULT: ${faultOf(status, { everySeconds, ageSeconds, aheadSeconds })}`]),
  ];
  return { json: { ok, ageSeconds, ...status }, text: lines.join('\n'), exitCode: ok ? 0 : 1 };
}

interface Ages {
  readonly everySeconds: number;
  readonly ageSeconds: number | undefined;
  readonly aheadSeconds: number | undefined;
}

function faultOf(
  { newest, newestGenuine }: CanaryStatus,
  { everySeconds, ageSeconds, aheadSeconds }: Ages,
): string {
  if (newest === undefined) return 'is the writer running, and may it reach this database?';
  if (newest.verdict === 'invalid')
    return `the newest row was not written by the holder of the key: who else may write the table? ${newestGenuine === undefined ? 'no row is genuine' : ''}`.trim();
  if (newest.verdict === 'unknownKey')
    return 'the newest row was signed with another key: does another writer run, is the row of another source, or was the key changed?';
  if (aheadSeconds !== undefined)
    return `the newest genuine row is dated ahead by ${formatDuration(aheadSeconds)}, so it measures nothing: is the clock right where canaries are written, and here?`;
  return `the newest row is ${formatDuration(ageSeconds ?? 0)} old and one is due every ${formatDuration(everySeconds)}: is the writer running?`;
}

export function describeRemoval({ table, role }: CanaryRemoval, where: string): string {
  if (!table && role === 'none') return `there was no canary in ${where}`;
  const roles = {
    none: '',
    dropped: ' and the role of its writer',
    kept: '; the role of its writer stays, for other databases of this server name it',
  };
  return `removed ${table ? 'the canary table' : 'what was left of the canary'}${roles[role]} from ${where}`;
}

/** @throws USAGE for a schema that is no plain name */
export function requireSchemaName(schema: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(schema) && !schema.startsWith('pg_')) return schema;
  throw new HoldfastError(
    'USAGE',
    `--schema is ${JSON.stringify(schema)}; allowed are up to 63 of a-z, 0-9 and _, not beginning with a digit or pg_`,
  );
}
