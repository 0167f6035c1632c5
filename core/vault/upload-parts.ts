/** Buffers of one size that are used again and again, so that memory stays flat however much flows through. */
export class BufferPool {
  readonly size: number;
  readonly #free: Buffer[] = [];

  constructor(size: number) {
    this.size = size;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.size);
  }

  give(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

/** A piece of a stream in a pooled buffer; whoever got it gives the buffer back. */
export interface UploadPart {
  /** From 1. */
  readonly number: number;
  readonly buffer: Buffer;
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/** Cuts a stream into parts of the pool's size, the last one shorter; an empty stream is one empty part. */
export class PartReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #pool: BufferPool;
  #rest: Uint8Array | undefined;
  #number = 0;

  constructor(body: AsyncIterable<Uint8Array>, pool: BufferPool) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.#pool = pool;
  }

  /** The part is the last one only when the stream has ended, so its end was waited for. */
  async next(): Promise<UploadPart> {
    const buffer = this.#pool.take();
    try {
      let length = 0;
      for (;;) {
        this.#rest ??= await this.#pull();
        if (this.#rest === undefined || length === buffer.length) break;
        const taken = this.#rest.subarray(0, buffer.length - length);
        buffer.set(taken, length);
        length += taken.length;
        this.#rest = taken.length === this.#rest.length ? undefined : this.#rest.subarray(taken.length);
      }
      this.#number += 1;
      const bytes = buffer.subarray(0, length);
      return { number: this.#number, buffer, bytes, isLast: this.#rest === undefined };
    } catch (error) {
      this.#pool.give(buffer);
      throw error;
    }
  }

  /** Tells the source that nobody reads on; not waited for, since a source may be stuck. */
  close(): void {
    void this.#chunks.return?.()?.catch(() => undefined);
  }

  async #pull(): Promise<Uint8Array | undefined> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      if (next.value.length > 0) return next.value;
    }
  }
}
