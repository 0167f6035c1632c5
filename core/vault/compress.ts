import { pipeline, Readable } from 'node:stream';
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

/** Compresses inside this process: one zstd frame with content checksum, as `zstd` writes it, or one gzip member. */
export function compressStream(source: Readable, options: CompressOptions = {}): CompressedStream {
  let bytes = 0;
  const compressor = makeCompressor(options.compression ?? 'zst', options.level ?? 1);
  const done = new Promise<{ bytes: number }>((resolve, reject) => {
    pipeline(
      source,
      async function* count(chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          yield chunk;
        }
      },
      compressor,
      (error) => (error ? reject(error) : resolve({ bytes })),
    );
  });
  // Whoever only reads the stream sees the failure there.
  done.catch(() => undefined);
  return { stream: compressor, done };
}

/**
 * Decompresses inside this process. The stream fails when the content checksum does not fit, when the end is missing, and
 * when more follows the frame: Node's zstd would end there without a word, and the rest would be lost.
 */
export function decompressStream(source: Readable, compression: Compression): Readable {
  const decompressor =
    compression === 'zst'
      ? zlib.createZstdDecompress({ chunkSize: pieceBytes })
      : zlib.createGunzip({ chunkSize: pieceBytes });
  let fed = 0;
  pipeline(
    source,
    async function* count(chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        fed += chunk.length;
        yield chunk;
      }
    },
    decompressor,
    () => undefined,
  );
  async function* checked(): AsyncGenerator<Buffer> {
    yield* decompressor as AsyncIterable<Buffer>;
    if (decompressor.bytesWritten === fed) return;
    throw new HoldfastError(
      'DECOMPRESS_FAILED',
      `more follows the first ${decompressor.bytesWritten} compressed bytes; an item is one frame`,
    );
  }
  return Readable.from(checked(), { objectMode: false, highWaterMark: pieceBytes });
}

function makeCompressor(compression: Compression, level: number): zlib.ZstdCompress | zlib.Gzip {
  if (compression === 'gz') return zlib.createGzip({ level, chunkSize: pieceBytes });
  return zlib.createZstdCompress({
    chunkSize: pieceBytes,
    params: { [zlib.constants.ZSTD_c_compressionLevel]: level, [zlib.constants.ZSTD_c_checksumFlag]: 1 },
  });
}
