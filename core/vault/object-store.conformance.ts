import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeCrc64, createCrc64 } from './crc64.ts';
import { sha256Hex } from './digest.ts';
import type { ObjectStore, ObjectVersion } from './object-store.ts';
import { gather, inPieces, noise } from './testing/streams.ts';

export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** The size at which the store begins to work in parts. */
  readonly partBytes: number;
  stop(): Promise<void>;
}

/** What every object store promises; one suite for all of them. */
export function describeObjectStore(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(`object store: ${name}`, () => {
    let test: StoreUnderTest;
    let store: ObjectStore;
    beforeEach(async () => {
      test = await start();
      store = test.store;
    });
    afterEach(() => test.stop());

    const put = (key: string, bytes: Uint8Array, pieceBytes?: number) =>
      store.create(key, inPieces(bytes, pieceBytes), { kind: 'data' });
    const versions = async (prefix: string): Promise<ObjectVersion[]> => {
      const found: ObjectVersion[] = [];
      for await (const version of store.listVersions(prefix)) found.push(version);
      return found;
    };
    const keys = async (prefix: string) => (await versions(prefix)).map((version) => version.key);
    const folders = async (prefix: string) => {
      const found: string[] = [];
      for await (const folder of store.listFolders(prefix)) found.push(folder);
      return found;
    };

    it('keeps what was stored and measures it right, around the size of a part', async () => {
      for (const extra of [
        -test.partBytes,
        1 - test.partBytes,
        -1,
        0,
        1,
        test.partBytes,
        test.partBytes + 1,
      ]) {
        const bytes = noise(test.partBytes + extra, 7 + extra);
        const key = `v1/s/data/${test.partBytes + extra}`;
        const stored = await put(key, bytes, 100_003);
        const crc64 = await createCrc64();
        crc64.update(bytes);
        expect(stored).toMatchObject({
          key,
          storedBytes: bytes.length,
          sha256: sha256Hex(bytes),
          crc64nvme: encodeCrc64(crc64.digest()),
        });
        expect((await gather(await store.read(stored))).equals(bytes)).toBe(true);
        const facts = await store.head(stored);
        expect(facts).toMatchObject({ key, storedBytes: bytes.length });
        // A store that keeps checksums must keep that of the whole object.
        expect(facts?.crc64nvme ?? stored.crc64nvme).toBe(stored.crc64nvme);
      }
    });

    it('refuses a key that is taken and leaves the first object as it was', async () => {
      const big = noise(test.partBytes + 10, 3);
      await put('v1/s/small', Buffer.from('first'));
      await put('v1/s/big', big);
      await expect(put('v1/s/small', Buffer.from('other'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
      await expect(put('v1/s/small', Buffer.from('first'))).rejects.toMatchObject({ code: 'OBJECT_EXISTS' });
      await expect(put('v1/s/big', noise(test.partBytes + 10, 4))).rejects.toMatchObject({
        code: 'OBJECT_EXISTS',
      });
      expect((await gather(await store.read({ key: 'v1/s/small' }))).toString()).toBe('first');
      expect((await gather(await store.read({ key: 'v1/s/big' }))).equals(big)).toBe(true);
      expect(await versions('v1/s/')).toHaveLength(2);
    });

    it('lets one of two writers of a key win', async () => {
      const outcomes = await Promise.allSettled([
        put('v1/s/k', Buffer.from('one')),
        put('v1/s/k', Buffer.from('two')),
      ]);
      const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(failed.map((outcome) => (outcome.reason as { code: string }).code)).toEqual(['OBJECT_EXISTS']);
      const winner = outcomes[0]?.status === 'fulfilled' ? 'one' : 'two';
      expect((await gather(await store.read({ key: 'v1/s/k' }))).toString()).toBe(winner);
    });

    it('shows nothing of an object whose source failed', async () => {
      for (const length of [10, 2 * test.partBytes + 5]) {
        const failing = async function* () {
          yield* inPieces(noise(length));
          throw new Error('the source broke');
        };
        await expect(store.create('v1/s/x', failing(), { kind: 'data' })).rejects.toThrow('the source broke');
        expect(await store.head({ key: 'v1/s/x' })).toBeUndefined();
        expect(await versions('')).toEqual([]);
        expect(await store.abortUploads('', new Date(Date.now() + 60_000))).toBe(0);
      }
    });

    it('stops a source that hangs when it is told to', async () => {
      const abort = new AbortController();
      let closed = false;
      const hanging = async function* () {
        try {
          for (;;) {
            yield noise(1000);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } finally {
          closed = true;
        }
      };
      const creating = store.create('v1/s/x', hanging(), { kind: 'data', signal: abort.signal });
      setTimeout(() => abort.abort(new Error('told to stop')), 50);
      await expect(creating).rejects.toThrow('told to stop');
      await expect.poll(() => closed).toBe(true);
      expect(await versions('')).toEqual([]);
    });

    it('tells progress up to the last byte', async () => {
      const seen: number[] = [];
      const bytes = noise(2 * test.partBytes + 7);
      await store.create('v1/s/x', inPieces(bytes), {
        kind: 'data',
        onProgress: (total) => seen.push(total),
      });
      expect(seen.at(-1)).toBe(bytes.length);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    });

    it('answers what is not there with undefined or OBJECT_NOT_FOUND', async () => {
      await put('v1/s/here', Buffer.from('x'));
      expect(await store.head({ key: 'v1/s/gone' })).toBeUndefined();
      expect(await store.head({ key: 'v1/s/here/below' })).toBeUndefined();
      await expect(store.read({ key: 'v1/s/gone' })).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
      expect(await versions('v1/none/')).toEqual([]);
      expect(await folders('v1/none/')).toEqual([]);
    });

    it('lists keys in the order of their bytes, and folders', async () => {
      const all = [
        'v1/a-b/m',
        'v1/a/1/data/00001-x',
        'v1/a/1/manifest.json',
        'v1/a/2/m',
        'v1/ab/m',
        'v1/B/m',
      ];
      for (const key of all) await put(key, Buffer.from('x'));
      expect(await keys('v1/')).toEqual(['v1/B/m', 'v1/a-b/m', ...all.slice(1, 5)]);
      expect(await keys('v1/a/')).toEqual(all.slice(1, 4));
      expect(await keys('v1/a/1/man')).toEqual(['v1/a/1/manifest.json']);
      expect(await folders('v1/')).toEqual(['v1/B/', 'v1/a-b/', 'v1/a/', 'v1/ab/']);
      expect(await folders('v1/a/')).toEqual(['v1/a/1/', 'v1/a/2/']);
      expect((await versions('v1/a/')).every((version) => version.isLatest && !version.isDeleteMarker)).toBe(
        true,
      );
    });

    it('lists more than a page of them', async () => {
      const names = Array.from({ length: 1005 }, (_, index) => `v1/s/${String(index).padStart(5, '0')}/m`);
      await Promise.all(names.map((key) => put(key, Buffer.from('x'))));
      expect(await keys('v1/s/')).toEqual(names);
      expect(await folders('v1/s/')).toHaveLength(1005);
    });

    it('streams many objects at once', async () => {
      const contents = Array.from({ length: 9 }, (_, index) => noise(3 * test.partBytes + index, index + 1));
      const stored = await Promise.all(contents.map((bytes, index) => put(`v1/s/${index}`, bytes)));
      for (const [index, object] of stored.entries()) {
        expect(object.sha256).toBe(sha256Hex(contents[index] ?? Buffer.alloc(0)));
        expect(sha256Hex(await gather(await store.read(object)))).toBe(object.sha256);
      }
    });
  });
}
