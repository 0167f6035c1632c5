import type { Readable, Writable } from 'node:stream';
import { HoldfastError } from '../../errors.ts';
import { chunksOf } from '../../vault/chunks.ts';
import type { ItemCounts } from '../../vault/vault.ts';
import { type Child, eachLine, startChild, toolFailed } from '../child-process.ts';
import type { Compressor } from '../compressor.ts';
import { ZstdFrameReader } from '../zstd-frames.ts';
import { errorFromLines, redact } from './pg-errors.ts';

export interface CopyWorkerOptions {
  readonly psql: string;
  readonly env: Readonly<Record<string, string>>;
  readonly conninfo: string;
  readonly compressor: Compressor;
  readonly snapshotId: string;
  /** Statements that lock what the worker reads, all at once; empty when each copy locks for itself. */
  readonly lockSql: readonly string[];
  readonly signal: AbortSignal;
  readonly idleSeconds: number;
}

export interface RunningCopy {
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
  'SET standard_conforming_strings TO on',
  "SET client_min_messages TO 'warning'",
] as const;

/** From version 17 on. */
export const transactionTimeoutOff = `SELECT pg_catalog.set_config('transaction_timeout', '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout' \\g /dev/null`;

interface Waiter {
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One psql that stays in the snapshot's transaction and copies one part after the other. Each COPY is piped by psql
 * into a compressor that writes to psql's own standard output: rows go from the server to the compressor without passing
 * through Node, and the frames of several parts follow each other there. On standard error psql reports rows, on
 * descriptor 3 the shell reports the compressor's exit code; a part counts only with both, and with its whole frame.
 */
export class CopyWorker {
  /** Process id of the server's side. */
  backendPid = 0;
  readonly #child: Child;
  readonly #options: CopyWorkerOptions;
  readonly #frames: ZstdFrameReader;
  readonly #waiters = new Map<string, Waiter>();
  readonly #arrived = new Map<string, string>();
  readonly #compressorBytes = new Map<number, number>();
  #failure: unknown;
  #copies = 0;

  private constructor(options: CopyWorkerOptions) {
    this.#options = options;
    const args = [
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
      options.conninfo,
    ];
    this.#child = startChild(options.psql, args, {
      env: options.env,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      signal: options.signal,
      onErrorLine: (line) => this.#onMark(line),
    });
    eachLine(this.#child.process.stdio[3] as Readable, (line) => this.#onCompressorLine(line));
    this.#frames = new ZstdFrameReader(this.#watched(this.#child.process.stdout as Readable));
    void this.#child.ended.then((end) => {
      this.#failure ??= options.signal.aborted
        ? new HoldfastError('JOB_ABORTED', 'the job was told to stop')
        : (errorFromLines(this.#child.errorTail(), 'psql failed') ??
          toolFailed('psql', end, this.#child.errorTail().map(redact)));
      for (const waiter of this.#waiters.values()) waiter.reject(this.#failure);
      this.#waiters.clear();
    });
  }

  /** Starts psql inside the snapshot. @throws SOURCE_CHANGED when a lock cannot be had at once */
  static async start(options: CopyWorkerOptions): Promise<CopyWorker> {
    const worker = new CopyWorker(options);
    worker.#send([
      ...sessionSettings.map((setting) => `${setting};`),
      transactionTimeoutOff,
      'SELECT pg_catalog.pg_backend_pid() AS pid \\gset',
      'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;',
      `SET TRANSACTION SNAPSHOT '${options.snapshotId}';`,
      ...options.lockSql.map((statement) => `${statement};`),
      '\\warn holdfast ready :pid',
    ]);
    worker.backendPid = Number(await worker.#mark('ready'));
    return worker;
  }

  /** Copies one part; the body must be read to its end before the next copy is asked for. */
  copy(copySql: string, lockSql: readonly string[] = []): RunningCopy {
    const number = (this.#copies += 1);
    this.#send([
      ...lockSql.map((statement) => `${statement};`),
      `${copySql} \\g |{ ${this.#options.compressor.compressCommand}; } 2>&3; echo "holdfast compressed-${number} $?" >&3`,
      `\\warn holdfast copied-${number} :ROW_COUNT`,
    ]);
    const done = this.#finish(number);
    done.catch(() => undefined);
    return { body: this.#frames.nextFrame(), done };
  }

  /** Ends the transaction and psql. */
  async end(): Promise<void> {
    (this.#child.process.stdin as Writable).end('COMMIT;\n');
    this.#child.process.stdout?.resume();
    await this.#child.ended;
  }

  async #finish(number: number): Promise<ItemCounts> {
    const [rows, exitCode] = await Promise.all([
      this.#mark(`copied-${number}`),
      this.#mark(`compressed-${number}`),
    ]);
    if (exitCode !== '0') {
      throw new HoldfastError('TOOL_FAILED', `the compressor ended with exit code ${exitCode}`, {
        detail: { tool: this.#options.compressor.name },
      });
    }
    const bytes = this.#compressorBytes.get(number);
    this.#compressorBytes.delete(number);
    return { rows: Number(rows), ...(bytes === undefined ? {} : { bytes }) };
  }

  #send(lines: readonly string[]): void {
    (this.#child.process.stdin as Writable).write(`${lines.join('\n')}\n`);
  }

  #mark(name: string): Promise<string> {
    const value = this.#arrived.get(name);
    if (value !== undefined) {
      this.#arrived.delete(name);
      return Promise.resolve(value);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waiters.set(name, { resolve, reject }));
  }

  #onMark(line: string): void {
    const [, name, value] = /^holdfast (\S+) (\S+)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return;
    const waiter = this.#waiters.get(name);
    this.#waiters.delete(name);
    if (waiter === undefined) this.#arrived.set(name, value);
    else waiter.resolve(value);
  }

  #onCompressorLine(line: string): void {
    const bytes = /\(\s*(\d+) B =>/.exec(line)?.[1];
    if (bytes !== undefined) this.#compressorBytes.set(this.#copies, Number(bytes));
    this.#onMark(line);
  }

  /** Passes chunks on; when somebody wants bytes and none come for too long, the server has stopped answering. */
  async *#watched(source: Readable): AsyncGenerator<Uint8Array> {
    const chunks = chunksOf(source)[Symbol.asyncIterator]();
    for (;;) {
      const timer = setTimeout(() => {
        this.#failure ??= new HoldfastError(
          'SOURCE_UNREACHABLE',
          `the server sent nothing for ${this.#options.idleSeconds} s in the middle of a table`,
        );
        this.#child.kill();
      }, this.#options.idleSeconds * 1000);
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done === true) break;
      yield next.value;
    }
    // The reason is known once the program has ended; a reader deserves it instead of a mere end.
    await this.#child.ended;
    if (this.#failure !== undefined) throw this.#failure;
  }
}
