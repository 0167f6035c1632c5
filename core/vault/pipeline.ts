import { HoldfastError } from '../errors.ts';
import type { VaultKeys } from './keys.ts';
import { dataObjectName, dataPrefix } from './layout.ts';
import type { LockMode, ManifestItem } from './manifest.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import type { ItemCounts, ItemInput } from './vault.ts';

/** An item rolls over to a further object at this size: 8,192 upload parts of 8 MiB, below S3's 10,000. */
export const defaultSegmentBytes = 64 * 2 ** 30;

export interface PipelineContext {
  readonly store: ObjectStore;
  readonly keys: VaultKeys;
  readonly source: string;
  readonly recoveryPointId: string;
  readonly lockUntil: Date | undefined;
  /** @default compliance */
  readonly lockMode?: LockMode | undefined;
  readonly segmentBytes: number;
  readonly signal: AbortSignal;
  /** Numbers the data objects of one recovery point. */
  readonly nextOrdinal: () => number;
}

/**
 * Compressed stream → one encrypted message → segment objects, with back-pressure all the way: nothing is held but what is
 * under way. The last object becomes visible only after `input.done` resolved.
 */
export async function storeItem(context: PipelineContext, input: ItemInput): Promise<ManifestItem[]> {
  // A producer that failed may leave its stream open for ever; ending it here is what makes the upload fail.
  input.done.catch((error: unknown) => input.body.destroy(error as Error));
  const message = context.keys.encrypt(input.body, {
    source: context.source,
    recoveryPoint: context.recoveryPointId,
    item: input.name,
  });
  const cutter = new SegmentCutter(message, context.segmentBytes);
  const stored: StoredObject[] = [];
  try {
    do {
      const before = stored.reduce((sum, object) => sum + object.storedBytes, 0);
      stored.push(await storeSegment(context, input, { cutter, before }));
    } while (!cutter.ended);
  } catch (error) {
    input.body.destroy();
    await cutter.close();
    // When a child process failed, its own words say more than the broken stream that it left.
    throw await firstFailure(input.done, error);
  }
  const counts = await input.done;
  return stored.map((object, index) => ({
    name: input.name,
    kind: input.kind,
    ...(stored.length > 1 ? { segment: index + 1 } : {}),
    ...object,
    ...(index === 0 ? countsOf(counts, input) : {}),
  }));
}

function countsOf(counts: ItemCounts, input: ItemInput): Partial<ManifestItem> {
  return {
    ...(counts.rows === undefined ? {} : { rows: counts.rows }),
    ...(counts.bytes === undefined ? {} : { bytes: counts.bytes }),
    ...(input.detail === undefined ? {} : { detail: input.detail }),
  };
}

function storeSegment(
  context: PipelineContext,
  input: ItemInput,
  state: { readonly cutter: SegmentCutter; readonly before: number },
): Promise<StoredObject> {
  const name = dataObjectName(context.nextOrdinal(), input.name, input.compression);
  const key = dataPrefix(context.source, context.recoveryPointId) + name;
  return context.store.create(key, untilDone(state.cutter, input.done), {
    kind: 'data',
    signal: context.signal,
    ...(context.lockUntil === undefined ? {} : { lockUntil: context.lockUntil }),
    ...(context.lockMode === undefined ? {} : { lockMode: context.lockMode }),
    onProgress: (bytes) => input.onProgress?.(state.before + bytes),
  });
}

/** The store completes an object when this ends, so the last one waits here for its producers' exit codes. */
async function* untilDone(cutter: SegmentCutter, done: Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* cutter.nextSegment();
  if (cutter.ended) await done;
}

async function firstFailure(done: Promise<unknown>, error: unknown): Promise<unknown> {
  const pending = Symbol('pending');
  // One turn of the event loop: enough for a rejection that is already on its way, no wait for a producer that hangs.
  const outcome = await Promise.race([
    done.then(
      () => undefined,
      (failure: unknown) => failure,
    ),
    new Promise<symbol>((resolve) => setImmediate(resolve, pending)),
  ]);
  return outcome instanceof HoldfastError ? outcome : error;
}

/** Cuts one stream into consecutive pieces of a fixed size, the last one shorter; an empty stream is one empty piece. */
class SegmentCutter {
  ended = false;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #segmentBytes: number;
  #rest: Uint8Array | undefined;

  constructor(source: AsyncIterable<Uint8Array>, segmentBytes: number) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#segmentBytes = segmentBytes;
  }

  async *nextSegment(): AsyncGenerator<Uint8Array> {
    let room = this.#segmentBytes;
    for (;;) {
      const chunk = this.#rest ?? (await this.#next());
      this.#rest = undefined;
      if (chunk === undefined) return;
      if (chunk.length > room) {
        // More follows, so `ended` stays false and the caller begins another object.
        this.#rest = chunk.subarray(room);
        if (room > 0) yield chunk.subarray(0, room);
        return;
      }
      room -= chunk.length;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done === true) {
        this.ended = true;
        return undefined;
      }
      if (next.value.length > 0) return next.value;
    }
  }
}
