import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import { type Child, type ChildEnd, startChild, toolFailed } from '../child-process.ts';
import { type Compressor, shellQuote } from '../compressor.ts';
import { errorFromLines, redact } from './pg-errors.ts';

export interface CopyInAccess {
  readonly psql: string;
  /** For what comes through a pipe in bulk. */
  readonly bulkPsql: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly conninfo: string;
  readonly compressor: Compressor;
  readonly signal: AbortSignal;
  /** What the server warned of. */
  readonly onWarning: (message: string) => void;
}

export interface CopyIn {
  /** Item name, for messages. */
  readonly name: string;
  /** One of them is COPY … FROM STDIN; each is sent by itself. */
  readonly statements: readonly string[];
}

/** What pg_restore sets before it copies, plus the formats that the backup fixed. */
export const restoreSettings = [
  "SET search_path TO ''",
  "SET datestyle TO 'ISO, YMD'",
  "SET intervalstyle TO 'postgres'",
  "SET lc_monetary TO 'C'",
  "SET timezone TO 'UTC'",
  'SET xmloption TO content',
  'SET check_function_bodies TO off',
  'SET row_security TO off',
  'SET standard_conforming_strings TO on',
  "SET client_min_messages TO 'warning'",
  'SET statement_timeout TO 0',
  'SET lock_timeout TO 0',
  'SET idle_in_transaction_session_timeout TO 0',
  'SET default_transaction_read_only TO off',
  // A crash before the restore's last, synchronous commit makes the whole restore start again anyway.
  'SET synchronous_commit TO off',
];

/** Arguments of psql, less what it shall do: no start file, no question, no chatter, the end at the first error. */
export function psqlArguments(access: Pick<CopyInAccess, 'conninfo'>): string[] {
  return [
    '-X',
    '-w',
    '-q',
    '-A',
    '-t',
    '-v',
    'ON_ERROR_STOP=1',
    '-v',
    'VERBOSITY=verbose',
    '-d',
    access.conninfo,
  ];
}

/**
 * Feeds one compressed item through a decompressor into psql; returns the rows that the server took. Both are joined by a
 * shell, in one process group, which ends with psql's exit code and reports the decompressor's on standard error.
 */
export async function copyIn(access: CopyInAccess, copy: CopyIn, compressed: Readable): Promise<number> {
  const counted = new CopyReport(access.onWarning);
  const statements = copy.statements.flatMap((sql) =>
    sql.startsWith('COPY ') ? [sql, '\\warn holdfast rows :ROW_COUNT'] : [sql],
  );
  const commands = [restoreSettings.join('; '), ...statements].flatMap((command) => ['-c', command]);
  const decompress = access.compressor.decompress.map(shellQuote).join(' ');
  const script = `{ ${decompress}; echo "holdfast decompressed $?" >&2; } | "$@"`;
  const child = startChild(
    '/bin/sh',
    ['-c', script, 'sh', ...access.bulkPsql, ...psqlArguments(access), ...commands],
    {
      env: access.env,
      stdio: ['pipe', 'ignore', 'pipe'],
      signal: access.signal,
      onErrorLine: (line) => counted.read(line),
    },
  );
  const feeding = pipeline(compressed, child.process.stdin as Writable, { signal: access.signal }).catch(
    (error: unknown) => {
      // Without its end, what came in must not be committed: psql is killed before it can see one.
      if (isHoldfastError(error)) child.kill();
      return error;
    },
  );
  const feedError = await Promise.race([feeding, child.ended.then(() => undefined)]);
  const end = await child.ended;
  if (isHoldfastError(feedError)) throw feedError;
  const late = compressed.errored;
  compressed.destroy();
  child.process.stdin?.destroy();
  throwOnFailure({ child, end, decompressed: counted.decompressorExit, copy, signal: access.signal });
  await feeding;
  if (isHoldfastError(late)) throw late;
  return counted.rows;
}

/** What psql and the shell say on standard error about a copy. */
class CopyReport {
  rows = 0;
  decompressorExit: string | undefined;
  readonly #onWarning: (message: string) => void;

  constructor(onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
  }

  read(line: string): void {
    const [, what, value] = /^holdfast (rows|decompressed) (\d+)$/.exec(line) ?? [];
    if (what === 'rows') this.rows = Number(value);
    if (what === 'decompressed') this.decompressorExit = value;
    const warning = /WARNING:\s+[0-9A-Z]{5}: (.*)$/.exec(line)?.[1];
    if (warning !== undefined) this.#onWarning(warning);
  }
}

interface Ended {
  readonly child: Child;
  readonly end: ChildEnd;
  readonly decompressed: string | undefined;
  readonly copy: CopyIn;
  readonly signal: AbortSignal;
}

function throwOnFailure({ child, end, decompressed, copy, signal }: Ended): void {
  if (signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the restore was told to stop');
  const said = child.errorTail().filter((line) => !line.startsWith('holdfast '));
  if (end.code !== 0) {
    const tail = said.map(redact);
    throw (
      errorFromLines(tail, `cannot restore ${copy.name}`) ??
      toolFailed('psql', end, [`while restoring ${copy.name}`, ...tail])
    );
  }
  if (decompressed !== '0') {
    throw new HoldfastError(
      'DECOMPRESS_FAILED',
      `${copy.name} cannot be decompressed: ${said.join(' / ') || `the decompressor ended with ${decompressed ?? 'no exit code'}`}`,
    );
  }
}
