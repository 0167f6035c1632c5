import type { Readable } from 'node:stream';
import { compressStream } from '../../vault/compress.ts';
import type { ItemCounts } from '../../vault/vault.ts';
import type { Session } from './session.ts';

export interface CopyWorkerOptions {
  readonly session: Session;
  /** UTF8, or SQL_ASCII for databases that know no encoding. */
  readonly clientEncoding: string;
  readonly snapshotId: string;
  /** Statements that lock what the worker reads, all at once; empty when each copy locks for itself. */
  readonly lockSql: readonly string[];
}

export interface RunningCopy {
  /** One zstd frame. */
  readonly body: Readable;
  readonly done: Promise<ItemCounts>;
}

/** The settings of pg_dump, so that text means the same on any server, plus a fixed order and money format. */
export const sessionSettings = [
  "SET search_path TO ''",
  "SET datestyle TO 'ISO, YMD'",
  "SET intervalstyle TO 'postgres'",
  "SET bytea_output TO 'hex'",
  "SET timezone TO 'UTC'",
  "SET lc_monetary TO 'C'",
  'SET extra_float_digits TO 3',
  'SET synchronize_seqscans TO off',
  'SET row_security TO off',
  'SET statement_timeout TO 0',
  'SET lock_timeout TO 0',
  'SET idle_in_transaction_session_timeout TO 0',
  'SET max_parallel_workers_per_gather TO 0',
  'SET jit TO off',
  'SET standard_conforming_strings TO on',
  "SET client_min_messages TO 'warning'",
] as const;

/** From version 17 on. */
export const transactionTimeoutOff = `SELECT pg_catalog.set_config('transaction_timeout', '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'`;

/**
 * One connection that stays in the snapshot's transaction and copies one part after the other. The text of COPY goes from
 * the socket in large blocks through Node's zstd, which works on threads of its own.
 */
export class CopyWorker {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  /** Enters the snapshot. @throws SOURCE_CHANGED when a lock cannot be had at once */
  static async start(options: CopyWorkerOptions): Promise<CopyWorker> {
    const { session, clientEncoding, snapshotId, lockSql } = options;
    const statements = [
      sessionSettings.join('; '),
      `SET client_encoding TO '${clientEncoding}'`,
      transactionTimeoutOff,
      'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY',
      `SET TRANSACTION SNAPSHOT '${snapshotId}'`,
      ...lockSql,
    ];
    for (const statement of statements) await session.query(statement);
    return new CopyWorker(session);
  }

  /** Copies one part; the body must be read to its end before the next copy is asked for. */
  copy(name: string, copySql: string, lockSql: readonly string[] = []): RunningCopy {
    const session = this.#session;
    const { blocks, rows } = session.copyOut(copySql, `cannot copy ${name}`);
    async function* lockAndRead(): AsyncGenerator<Buffer> {
      for (const statement of lockSql) await session.query(statement);
      yield* blocks;
    }
    const { stream, done } = compressStream(lockAndRead());
    const counts = done.then(({ bytes }) => ({ rows: rows(), bytes }));
    counts.catch(() => undefined);
    return { body: stream, done: counts };
  }

  /** Ends the transaction and the connection. */
  async end(): Promise<void> {
    await this.#session.query('COMMIT');
    await this.#session.close();
  }
}
