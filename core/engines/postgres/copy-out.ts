import type { Duplex } from 'node:stream';
import { HoldfastError } from '../../errors.ts';
import { driversListener } from './driver-connection.ts';

/** Of the protocol's messages: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const copyData = 'd'.charCodeAt(0);
/** One byte of type, four of length, which counts itself. */
const headerBytes = 5;
const lengthBytes = 4;

/** Large enough that handing a block to the compressor costs little, small enough that two streams stay far below their limit. */
const blockBytes = 256 * 1024;

/**
 * Takes the rows of COPY … TO STDOUT out of what the server sends, before the driver sees them: it would make an object
 * of each row, which costs more than everything else that a backup does. All other messages go on to the driver as they came.
 */
export class CopyOutFilter {
  /** Where rows go while a copy runs. */
  rows: RowBlocks | undefined;
  readonly #deliver: (bytes: Buffer) => void;
  readonly #header = Buffer.alloc(headerBytes);
  #headerLength = 0;
  #type = 0;
  /** Bytes of the current message that are still to come. */
  #left = 0;

  /** Takes the place of the driver's listener on its stream: see {@link driversListener}. */
  constructor(stream: Duplex) {
    this.#deliver = driversListener(stream, (chunk) => this.#read(chunk));
  }

  #read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        at = this.#readHeader(chunk, at);
        if (this.#left === 0) continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      if (this.#type === copyData) this.rows?.add(chunk, at, end);
      else this.#deliver(chunk.subarray(at, end));
      this.#left -= end - at;
      at = end;
    }
    this.rows?.touch();
  }

  /** Where its body begins. A header may be cut anywhere. */
  #readHeader(chunk: Buffer, from: number): number {
    if (this.#headerLength === 0 && chunk.length - from >= headerBytes) {
      this.#begin(chunk, from);
      return from + headerBytes;
    }
    const copied = chunk.copy(this.#header, this.#headerLength, from);
    this.#headerLength += copied;
    if (this.#headerLength === headerBytes) {
      this.#headerLength = 0;
      // A copy: the driver may keep what it is given until the rest comes.
      this.#begin(Buffer.from(this.#header), 0);
    }
    return from + copied;
  }

  #begin(bytes: Buffer, at: number): void {
    this.#type = bytes[at] ?? 0;
    this.#left = bytes.readUInt32BE(at + 1) - lengthBytes;
    if (this.#type !== copyData) this.#deliver(bytes.subarray(at, at + headerBytes));
  }
}

/** Rows of one copy on their way from the connection to one reader, in blocks of one size that are used again and again. */
export class RowBlocks {
  readonly #stream: Duplex;
  readonly #idleMs: number;
  readonly #free: Buffer[] = [];
  #filling: Buffer | undefined;
  #filled = 0;
  /** Full ones; the connection is paused as soon as there is one that nobody waits for. */
  readonly #full: Buffer[] = [];
  #lent: Buffer | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #lastBytesAt = 0;

  /** After `idleMs` in which the reader waits and nothing comes, the server has stopped answering. */
  constructor(stream: Duplex, idleMs: number) {
    this.#stream = stream;
    this.#idleMs = idleMs;
  }

  add(chunk: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      this.#filling ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
      const copied = chunk.copy(this.#filling, this.#filled, at, to);
      this.#filled += copied;
      at += copied;
      if (this.#filled < blockBytes) continue;
      this.#full.push(this.#filling);
      this.#filling = undefined;
      this.#filled = 0;
    }
  }

  /** After a piece of what the server sent was taken in. */
  touch(): void {
    this.#lastBytesAt = performance.now();
    if (this.#full.length === 0) return;
    if (this.#wake === undefined) this.#stream.pause();
    else this.#wake();
  }

  /** The server has sent all. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  /** The next block, good until the one after it is asked for; nothing at the end. @throws SOURCE_UNREACHABLE, and what `fail` was told */
  async next(): Promise<Buffer | undefined> {
    if (this.#lent !== undefined) this.#free.push(this.#lent);
    this.#lent = undefined;
    while (this.#full.length === 0 && !this.#ended && this.#failure === undefined) await this.#wait();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#lent = this.#full.shift();
    // While the reader works on this one, the next may come.
    if (this.#full.length === 0) this.#stream.resume();
    if (this.#lent !== undefined) return this.#lent;
    const last = this.#filled === 0 ? undefined : this.#filling?.subarray(0, this.#filled);
    this.#filled = 0;
    return last;
  }

  async #wait(): Promise<void> {
    this.#lastBytesAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const watch = (waitMs: number) => {
      timer = setTimeout(() => {
        const left = this.#lastBytesAt + this.#idleMs - performance.now();
        if (left > 0) watch(left);
        else this.fail(this.#silence());
      }, waitMs);
    };
    watch(this.#idleMs);
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
    clearTimeout(timer);
  }

  #silence(): HoldfastError {
    return new HoldfastError(
      'SOURCE_UNREACHABLE',
      `the server sent nothing for ${this.#idleMs / 1000} s in the middle of a table`,
    );
  }
}
