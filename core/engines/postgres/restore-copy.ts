import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import { type Child, startChild, toolFailed } from '../child-process.ts';
import type { Compressor } from '../compressor.ts';
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

/** Feeds one compressed item through a decompressor into psql, pipe to pipe; returns the rows that the server took. */
export async function copyIn(access: CopyInAccess, copy: CopyIn, compressed: Readable): Promise<number> {
  const [program, ...args] = access.compressor.decompress;
  const { env, signal } = access;
  const decompressor = startChild(program, args, {
    env: { PATH: env['PATH'] ?? '' },
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
  });
  const output = decompressor.process.stdout as Readable;
  let rows = 0;
  const statements = copy.statements.flatMap((sql) =>
    sql.startsWith('COPY ') ? [sql, '\\warn holdfast rows :ROW_COUNT'] : [sql],
  );
  const commands = [restoreSettings.join('; '), ...statements].flatMap((command) => ['-c', command]);
  const [psqlProgram, ...psqlPrefix] = access.bulkPsql;
  const psql = startChild(psqlProgram, [...psqlPrefix, ...psqlArguments(access), ...commands], {
    env,
    stdio: [output, 'ignore', 'pipe'],
    signal,
    onErrorLine: (line) => {
      const counted = /^holdfast rows (\d+)$/.exec(line)?.[1];
      if (counted !== undefined) rows = Number(counted);
      const warning = /WARNING:\s+[0-9A-Z]{5}: (.*)$/.exec(line)?.[1];
      if (warning !== undefined) access.onWarning(warning);
    },
  });
  // Only psql reads it from here on; nothing was read yet, because nothing was written yet.
  output.destroy();
  const feeding = pipeline(compressed, decompressor.process.stdin as Writable, { signal }).catch(
    (error: unknown) => {
      // Without its end, what came in must not be committed: psql goes first.
      if (isHoldfastError(error)) psql.kill();
      return error;
    },
  );
  const feedError = await Promise.race([feeding, psql.ended.then(() => undefined)]);
  if (isHoldfastError(feedError)) {
    await Promise.all([psql.ended, decompressor.ended]);
    throw feedError;
  }
  await psql.ended;
  const late = compressed.errored;
  compressed.destroy();
  decompressor.process.stdin?.destroy();
  await throwOnFailure({ psql, decompressor, copy, signal });
  await feeding;
  if (isHoldfastError(late)) throw late;
  return rows;
}

interface Ended {
  readonly psql: Child;
  readonly decompressor: Child;
  readonly copy: CopyIn;
  readonly signal: AbortSignal;
}

async function throwOnFailure({ psql, decompressor, copy, signal }: Ended): Promise<void> {
  const [psqlEnd, decompressorEnd] = await Promise.all([psql.ended, decompressor.ended]);
  if (signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the restore was told to stop');
  if (psqlEnd.code !== 0) {
    const tail = psql.errorTail().map(redact);
    throw (
      errorFromLines(tail, `cannot restore ${copy.name}`) ??
      toolFailed('psql', psqlEnd, [`while restoring ${copy.name}`, ...tail])
    );
  }
  if (decompressorEnd.code !== 0) {
    throw new HoldfastError(
      'DECOMPRESS_FAILED',
      `${copy.name} cannot be decompressed: ${decompressor.errorTail().join(' / ')}`,
    );
  }
}
