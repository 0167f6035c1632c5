import type { Readable } from 'node:stream';
import { compressStream } from '../../vault/compress.ts';
import { isHoldfastError } from '../../errors.ts';
import type { ItemCounts } from '../../vault/vault.ts';
import { lockStatements } from './locks.ts';
import type { QualifiedName } from './quote.ts';
import type { Session } from './session.ts';

export interface CopyWorkerOptions {
  readonly session: Session;
  /** UTF8, or SQL_ASCII for databases that know no encoding. */
  readonly clientEncoding: string;
  /** The snapshot to enter; left out when the session is in it already. */
  readonly snapshotId?: string;
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

const lockNotAvailable = '55P03';

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

  /** Enters the snapshot. @throws SOURCE_CHANGED when it is gone */
  static async start({ session, clientEncoding, snapshotId }: CopyWorkerOptions): Promise<CopyWorker> {
    const statements = [
      sessionSettings.join('; '),
      `SET client_encoding TO '${clientEncoding}'`,
      transactionTimeoutOff,
      ...(snapshotId === undefined
        ? []
        : ['BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY', `SET TRANSACTION SNAPSHOT '${snapshotId}'`]),
      'SAVEPOINT part',
    ];
    for (const statement of statements) await session.query(statement);
    return new CopyWorker(session);
  }

  /**
   * Locks the tables of the next part and gives up the locks of the one before, so that a worker never holds more of them
   * than one part needs: the leader holds them all, and the server's room for locks is everybody's. False when a schema
   * change that waits for one of them stands in between; then only the session that holds the lock already can copy it.
   */
  async tryLock(tables: readonly QualifiedName[]): Promise<boolean> {
    try {
      await this.#session.query(['ROLLBACK TO SAVEPOINT part', ...lockStatements(tables, true)].join('; '));
      return true;
    } catch (error) {
      if (isHoldfastError(error) && error.detail?.['sqlState'] === lockNotAvailable) return false;
      throw error;
    }
  }

  /** Copies one part; the body must be read to its end before the next copy is asked for. */
  copy(name: string, copySql: string): RunningCopy {
    const { blocks, rows } = this.#session.copyOut(copySql, `cannot copy ${name}`);
    const { stream, done } = compressStream(blocks);
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
