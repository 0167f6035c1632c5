import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { DigestMeter } from './digest.ts';
import { deriveKeys } from './key-file.ts';
import { keyFileKeys } from './keys.key-file.aws.ts';
import type { VaultKeys } from './keys.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';
import { defaultSegmentBytes, storeItem } from './pipeline.ts';
import { noise } from './testing/streams.ts';
import { BufferPool, PartReader } from './upload-parts.ts';

const partBytes = 16 * 2 ** 20;
const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);

/** Takes everything, keeps nothing but the numbers. */
function nullStore(take: (body: AsyncIterable<Uint8Array>) => Promise<number>) {
  const stored: StoredObject[] = [];
  const create = async (key: string, body: AsyncIterable<Uint8Array>) => {
    const object = { key, storedBytes: await take(body), sha256: '0'.repeat(64), crc64nvme: '' };
    stored.push(object);
    return object;
  };
  return { store: { url: 'null:', locks: false, create } as unknown as ObjectStore, stored };
}

const plainKeys = { encrypt: (body: Readable) => body } as unknown as VaultKeys;

function store(target: ObjectStore, keys: VaultKeys, body: Readable) {
  let ordinal = 0;
  const context = {
    store: target,
    keys,
    source: 'big',
    recoveryPointId: '01M7YKEY6GW43F6XER3DVGWR9H',
    lockUntil: undefined,
    segmentBytes: defaultSegmentBytes,
    signal: new AbortController().signal,
    nextOrdinal: () => (ordinal += 1),
  };
  const done = Promise.resolve({ rows: 1 });
  return storeItem(context, { name: 'public.events', kind: 'table', compression: 'zst', body, done });
}

/** Repeats one piece; a source of any size costs no memory. */
function sparse(totalBytes: number, piece: Uint8Array): Readable {
  function* pieces() {
    for (let left = totalBytes; left > 0; left -= piece.length) {
      yield left < piece.length ? piece.subarray(0, left) : piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: piece.length });
}

describe('pipeline', () => {
  it('cuts 6 TB into objects that S3 takes, in flat memory', async () => {
    const total = 6e12;
    const piece = Buffer.alloc(32 * 2 ** 20);
    const highest = { rss: 0 };
    const { store: target, stored } = nullStore(async (body) => {
      let length = 0;
      for await (const chunk of body) length += chunk.length;
      highest.rss = Math.max(highest.rss, process.memoryUsage.rss());
      return length;
    });
    const before = process.memoryUsage.rss();
    const items = await store(target, plainKeys, sparse(total, piece));
    expect(mebibytes(highest.rss - before)).toBeLessThan(150);
    expect(stored.reduce((sum, object) => sum + object.storedBytes, 0)).toBe(total);
    expect(stored).toHaveLength(Math.ceil(total / defaultSegmentBytes));
    const parts = stored.map((object) => Math.ceil(object.storedBytes / partBytes));
    expect(Math.max(...parts)).toBe(4096);
    expect(items.map((item) => item.segment)).toEqual(items.map((_, index) => index + 1));
    expect(items.map((item) => item.rows)).toEqual([1, ...items.slice(1).map(() => undefined)]);
    expect(new Set(items.map((item) => item.key)).size).toBe(items.length);
  });

  it('encrypts, hashes and cuts 2 GB into parts in the memory of some buffers', async () => {
    const total = 2 * 2 ** 30;
    const pool = new BufferPool(partBytes);
    const rss: number[] = [];
    const { store: target } = nullStore(async (body) => {
      const parts = new PartReader(body, pool);
      const meter = await DigestMeter.create();
      for (;;) {
        const part = await parts.next();
        meter.update(part.bytes);
        pool.give(part.buffer);
        rss.push(process.memoryUsage.rss());
        if (part.isLast) return meter.digest().storedBytes;
      }
    });
    const keys = keyFileKeys(deriveKeys(new Uint8Array(32)));
    const [item] = await store(target, keys, sparse(total, noise(256 * 1024)));
    // The message is the data, 32 bytes a frame, and a header.
    expect(item?.storedBytes).toBeGreaterThan(total + 2048 * 32);
    expect(item?.storedBytes).toBeLessThan(total + 2048 * 36 + 1000);
    const [early, late] = [Math.max(...rss.slice(0, 32)), Math.max(...rss.slice(96))];
    expect(mebibytes(late - early)).toBeLessThan(64);
  });

  it('ends an object exactly at the size of a segment without an empty one behind it', async () => {
    const { store: target, stored } = nullStore(async (body) => {
      let length = 0;
      for await (const chunk of body) length += chunk.length;
      return length;
    });
    await store(target, plainKeys, sparse(defaultSegmentBytes, Buffer.alloc(2 ** 26)));
    await store(target, plainKeys, sparse(defaultSegmentBytes + 1, Buffer.alloc(2 ** 26)));
    expect(stored.map((object) => object.storedBytes)).toEqual([defaultSegmentBytes, defaultSegmentBytes, 1]);
  });
});
