import { once } from 'node:events';
import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import { finished } from 'node:stream/promises';
import { HoldfastError } from '../../errors.ts';
import type { ItemCounts } from '../../vault/vault.ts';
import { type Child, startChild, toolFailed } from '../child-process.ts';
import { compressStream } from '../../vault/compress.ts';
import { errorFromLines, redact } from './pg-errors.ts';

export interface SchemaDumpOptions {
  readonly pgDump: string;
  readonly env: Readonly<Record<string, string>>;
  readonly conninfo: string;
  readonly snapshotId: string;
  readonly lockWaitMs: number;
  readonly signal: AbortSignal;
}

/** The archive of all definitions, being written by pg_dump. */
export interface SchemaDump {
  readonly body: Readable;
  readonly done: Promise<ItemCounts>;
}

/**
 * Starts pg_dump and waits for its first byte: it writes only after it has locked all tables and read the catalogue, so
 * from then on no schema change can stop it any more. Large objects are items of our own, hence `--no-blobs`.
 * @throws SOURCE_CHANGED when a lock could not be had
 */
export async function startSchemaDump(options: SchemaDumpOptions): Promise<SchemaDump> {
  const args = [
    '--format=custom',
    '--compress=0',
    '--no-blobs',
    '--no-password',
    '--section=pre-data',
    '--section=post-data',
  ];
  args.push(
    `--snapshot=${options.snapshotId}`,
    `--lock-wait-timeout=${options.lockWaitMs}`,
    '-d',
    options.conninfo,
  );
  const child = startChild(options.pgDump, args, {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const counter = new ByteCounter();
  pipeline(child.process.stdout as Readable, counter, () => undefined);
  const done = countWhenDone(child, counter, options.signal);
  done.catch(() => undefined);
  await Promise.race([once(counter, 'readable'), done]);
  // An end without a byte is readable too.
  if (counter.readableLength === 0) await done;
  return { body: compressStream(counter).stream, done };
}

async function countWhenDone(child: Child, counter: ByteCounter, signal: AbortSignal): Promise<ItemCounts> {
  const end = await child.ended;
  if (signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the job was told to stop');
  if (end.code !== 0) {
    const tail = child.errorTail().map(redact);
    throw (
      changedMeanwhile(tail) ?? errorFromLines(tail, 'pg_dump failed') ?? toolFailed('pg_dump', end, tail)
    );
  }
  await finished(counter, { readable: false });
  return { bytes: counter.bytes };
}

/**
 * How pg_dump fails when definitions change while it reads them: the catalogue in its snapshot names what the server's own
 * functions, which see the present, do not find. Its `--lock-wait-timeout` is a statement_timeout, set for LOCK alone.
 */
const changed =
  /canceling statement due to statement timeout|cache lookup failed for|could not open relation with OID/;

function changedMeanwhile(lines: readonly string[]): HoldfastError | undefined {
  const line = lines.find((candidate) => changed.test(candidate));
  return line === undefined
    ? undefined
    : new HoldfastError('SOURCE_CHANGED', `definitions changed while pg_dump read them: ${line}`);
}

class ByteCounter extends Transform {
  bytes = 0;

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.bytes += chunk.length;
    callback(null, chunk);
  }
}
