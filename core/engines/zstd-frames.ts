import { Readable } from 'node:stream';
import { HoldfastError } from '../errors.ts';

const magic = 0xfd2fb528;
const rleBlock = 1;

/**
 * Cuts a stream of zstd frames into one stream per frame, looking at block headers only (RFC 8878): a long-lived child
 * process can then hand over many items through one pipe, and a frame whose last block never came is seen as cut off.
 */
export class ZstdFrameReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #onBytes: ((length: number) => void) | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>, onBytes?: (length: number) => void) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#onBytes = onBytes;
  }

  /** The next frame, exactly; the stream fails with TOOL_FAILED when the source ends inside it. Read one frame to its end before asking for the next. */
  nextFrame(): Readable {
    return Readable.from(this.#frame(), { objectMode: false, highWaterMark: 1 << 20 });
  }

  async *#frame(): AsyncGenerator<Buffer> {
    const position = new FramePosition();
    for (;;) {
      const length = position.advance(this.#rest);
      if (length > 0) {
        const piece = this.#rest.subarray(0, length);
        this.#rest = this.#rest.subarray(length);
        yield piece;
      }
      if (position.ended) return;
      const next = await this.#chunks.next();
      if (next.done === true) {
        throw new HoldfastError('TOOL_FAILED', 'the compressed stream ended in the middle of an item');
      }
      this.#onBytes?.(next.value.length);
      const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    }
  }
}

/** Where in a frame the next byte stands. */
class FramePosition {
  ended = false;
  #started = false;
  #hasChecksum = false;
  /** Bytes of the current block (or checksum) still to pass. */
  #body = 0;
  #lastBlock = false;

  /** How many bytes at the front of `bytes` belong to this frame and can be passed on; headers are never cut in two. */
  advance(bytes: Buffer): number {
    let at = 0;
    if (!this.#started) {
      const size = frameHeaderSize(bytes);
      if (size === undefined) return 0;
      this.#hasChecksum = ((bytes[4] ?? 0) & 4) !== 0;
      this.#started = true;
      at = size;
    }
    while (!this.ended) {
      const passed = Math.min(this.#body, bytes.length - at);
      at += passed;
      this.#body -= passed;
      if (this.#body > 0) break;
      if (this.#lastBlock) {
        this.ended = true;
        break;
      }
      if (bytes.length - at < 3) break;
      this.#beginBlock(bytes.readUIntLE(at, 3));
      at += 3;
    }
    return at;
  }

  #beginBlock(header: number): void {
    this.#lastBlock = (header & 1) === 1;
    this.#body = ((header >> 1) & 3) === rleBlock ? 1 : header >>> 3;
    if (this.#lastBlock && this.#hasChecksum) this.#body += 4;
  }
}

function frameHeaderSize(bytes: Buffer): number | undefined {
  if (bytes.length < 5) return undefined;
  if (bytes.readUInt32LE(0) !== magic) {
    throw new HoldfastError('TOOL_FAILED', 'the compressor wrote something that is not a zstd frame');
  }
  const descriptor = bytes[4] ?? 0;
  const singleSegment = (descriptor & 0x20) !== 0;
  const contentSizeFlag = descriptor >> 6;
  const contentSize = contentSizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << contentSizeFlag;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const size = 5 + (singleSegment ? 0 : 1) + dictionary + contentSize;
  return bytes.length < size ? undefined : size;
}
