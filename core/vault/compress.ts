import { pipeline, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import zlib from 'node:zlib';
import { HoldfastError } from '../errors.ts';

export type Compression = 'zst' | 'gz';

export interface CompressOptions {
  /** @default 'zst' */
  readonly compression?: Compression;
  /** zstd 1–22 or gzip 1–9. @default 1: on two cores anything higher makes compression the limit of a backup */
  readonly level?: number;
}

export interface CompressedStream {
  readonly stream: Readable;
  /** Resolves when all went through, with the bytes before compression; rejects with the source's or the compressor's error. */
  readonly done: Promise<{ readonly bytes: number }>;
}

const pieceBytes = 256 * 1024;
/** Longer than any empty frame: magic number, header, one empty block, checksum. */
const tailBytes = 32;

/**
 * Compresses inside this process: one zstd frame with content checksum, as `zstd` writes it, or one gzip member. A chunk of
 * the source is done with when the next is asked for.
 */
export function compressStream(
  source: AsyncIterable<Uint8Array>,
  options: CompressOptions = {},
): CompressedStream {
  const compressor = makeCompressor(options.compression ?? 'zst', options.level ?? 1);
  const done = feed(source, compressor);
  // Whoever only reads the stream sees the failure there.
  done.catch(() => undefined);
  return { stream: compressor, done };
}

/**
 * Hands over one chunk after another and the end only after the last was taken. Told of the end together with a chunk,
 * Node's zstd ends the frame twice and writes a second, empty one behind it.
 */
async function feed(
  source: AsyncIterable<Uint8Array>,
  compressor: zlib.ZstdCompress | zlib.Gzip,
): Promise<{ bytes: number }> {
  let bytes = 0;
  let abandon: ((reason: Error) => void) | undefined;
  // A reader that gives up destroys the compressor; a write under way is then never answered.
  compressor.on('error', (error) => abandon?.(error));
  compressor.on('close', () => abandon?.(new Error('the compressed stream was closed before its end')));
  try {
    for await (const chunk of source) {
      bytes += chunk.length;
      await new Promise<void>((resolve, reject) => {
        abandon = reject;
        compressor.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
    }
    compressor.end();
    await finished(compressor, { readable: false });
    return { bytes };
  } catch (error) {
    compressor.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/**
 * Decompresses inside this process. The stream fails when the content checksum does not fit, when the end is missing, and
 * when more follows the frame: Node's zstd would end there without a word, and the rest would be lost. An empty frame may
 * follow: it holds nothing, and writers before this one left it.
 */
export function decompressStream(source: Readable, compression: Compression): Readable {
  const decompressor =
    compression === 'zst'
      ? zlib.createZstdDecompress({ chunkSize: pieceBytes })
      : zlib.createGunzip({ chunkSize: pieceBytes });
  let fed = 0;
  let tail: Buffer = Buffer.alloc(0);
  pipeline(
    source,
    async function* count(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        fed += chunk.length;
        tail = Buffer.concat([tail, chunk.subarray(-tailBytes)]).subarray(-tailBytes);
        yield chunk;
      }
    },
    decompressor,
    () => undefined,
  );
  async function* checked(): AsyncGenerator<Buffer> {
    yield* decompressor as AsyncIterable<Buffer>;
    const rest = fed - decompressor.bytesWritten;
    if (rest === 0 || (rest <= tail.length && isEmptyFrame(tail.subarray(-rest)))) return;
    throw new HoldfastError(
      'DECOMPRESS_FAILED',
      `more follows the first ${decompressor.bytesWritten} compressed bytes; an item is one frame`,
    );
  }
  return Readable.from(checked(), { objectMode: false, highWaterMark: pieceBytes });
}

function isEmptyFrame(bytes: Buffer): boolean {
  try {
    return zlib.zstdDecompressSync(bytes).length === 0;
  } catch {
    return false;
  }
}

function makeCompressor(compression: Compression, level: number): zlib.ZstdCompress | zlib.Gzip {
  if (compression === 'gz') return zlib.createGzip({ level, chunkSize: pieceBytes });
  return zlib.createZstdCompress({
    chunkSize: pieceBytes,
    params: { [zlib.constants.ZSTD_c_compressionLevel]: level, [zlib.constants.ZSTD_c_checksumFlag]: 1 },
  });
}
