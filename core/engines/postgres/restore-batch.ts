import { buffer } from 'node:stream/consumers';
import type { Readable, Writable } from 'node:stream';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import { startChild, toolFailed } from '../child-process.ts';
import { decompressStream } from '../../vault/compress.ts';
import { errorFromLines, redact } from './pg-errors.ts';
import { type CopyIn, type CopyInAccess, psqlArguments, restoreSettings } from './restore-copy.ts';

/** Items of at most so many bytes of rows share a psql: starting one for each costs more than their rows. */
export const smallItemBytes = 256 * 1024;
/** Items per psql, so that several of them still share a thousand small tables evenly. */
export const itemsPerBatch = 50;

/**
 * Feeds many small items into one psql, each rows and all as one piece of its script. Their rows do pass through Node,
 * which costs less than two processes per table. Returns the rows that the server took, by item.
 */
export async function copyInSmall(
  access: CopyInAccess,
  copies: readonly CopyIn[],
  read: (name: string) => Promise<Readable>,
): Promise<number[]> {
  const rows: number[] = [];
  const psql = startChild(access.psql, psqlArguments(access), {
    env: access.env,
    stdio: ['pipe', 'ignore', 'pipe'],
    signal: access.signal,
    onErrorLine: (line) => {
      const counted = /^holdfast rows (\d+)$/.exec(line)?.[1];
      if (counted !== undefined) rows.push(Number(counted));
    },
  });
  const script = psql.process.stdin as Writable;
  const ended = psql.ended;
  try {
    script.write(restoreSettings.map((setting) => `${setting};\n`).join(''));
    for (const copy of copies) {
      const text = await readSmall(copy.name, read);
      if (psql.process.exitCode !== null || access.signal.aborted) break;
      if (!writeCopy(script, copy, text))
        await Promise.race([new Promise((resolve) => script.once('drain', resolve)), ended]);
    }
    script.end();
  } catch (error) {
    // Before its input ends: what was begun must not be committed.
    psql.kill();
    await ended;
    throw error;
  }
  const end = await ended;
  if (access.signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the restore was told to stop');
  if (end.code !== 0) {
    const name = copies[rows.length]?.name ?? 'small tables';
    const tail = psql.errorTail().map(redact);
    throw (
      errorFromLines(tail, `cannot restore ${name}`) ??
      toolFailed('psql', end, [`while restoring ${name}`, ...tail])
    );
  }
  return rows;
}

function writeCopy(script: Writable, copy: CopyIn, text: Buffer): boolean {
  let flowing = true;
  for (const statement of copy.statements) {
    flowing = script.write(`${statement};\n`);
    if (!statement.startsWith('COPY ')) continue;
    script.write(text);
    flowing = script.write('\\.\n\\warn holdfast rows :ROW_COUNT\n');
  }
  return flowing;
}

async function readSmall(name: string, read: (name: string) => Promise<Readable>): Promise<Buffer> {
  try {
    return await buffer(decompressStream(await read(name), 'zst'));
  } catch (error) {
    if (isHoldfastError(error)) throw error;
    throw new HoldfastError('DECOMPRESS_FAILED', `${name} cannot be decompressed`, { cause: error });
  }
}
