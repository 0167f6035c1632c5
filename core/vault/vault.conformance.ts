import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { manifestKey } from './layout.ts';
import { facts, gather, itemOf } from './testing/streams.ts';
import { backUp, contentOf, found, large, small, type VaultUnderTest } from './testing/vault-fixture.ts';
import { describeTampering } from './vault-tampering.conformance.ts';
import type { Vault } from './vault.ts';

/** What every vault promises, whatever stores its bytes and keeps its keys. */
export function describeVault(name: string, start: () => Promise<VaultUnderTest>): void {
  describe(`vault: ${name}`, () => {
    let test: VaultUnderTest;
    let vault: Vault;
    let sources = 0;
    let source: string;
    beforeAll(async () => {
      test = await start();
      vault = test.vault;
    });
    afterAll(() => test.stop());
    beforeEach(() => {
      sources += 1;
      source = `source-${sources}`;
    });
    it('gives back every item, and says so beforehand', async () => {
      const manifest = await backUp(vault, source);
      const reader = await vault.open(source, 'latest');
      expect(reader.manifest).toEqual(manifest);
      expect(reader.items().map((item) => item.name)).toEqual(['public.small', 'public.large', '"odd/näme"']);
      expect((await contentOf(reader, 'public.small')).equals(small)).toBe(true);
      expect((await contentOf(reader, 'public.large')).equals(large)).toBe(true);
      expect((await contentOf(reader, '"odd/näme"')).toString()).toBe('x');
      await expect(reader.read('public.gone')).rejects.toMatchObject({ code: 'ITEM_NOT_FOUND' });
      expect(await reader.checkBeforeRestore()).toMatchObject({ ok: true, objects: 3, problems: [] });
      expect(await reader.checkBeforeRestore(['public.small'])).toMatchObject({ ok: true, objects: 1 });
      const report = { ok: true, objects: 4, storedBytes: manifest.totals.storedBytes, problems: [] };
      expect(await vault.verify(source, 'latest')).toMatchObject(report);
      expect(await vault.verify(source, manifest.id, { deep: true })).toMatchObject(report);
      expect(await vault.verify(source, manifest.id, { deep: true, offline: true })).toMatchObject(report);
    });

    it('lets a reader stop midway and begin again', async () => {
      await backUp(vault, source);
      const reader = await vault.open(source, 'latest');
      for (let round = 0; round < 3; round += 1) {
        const stream = await reader.read('public.large');
        for await (const chunk of stream) {
          expect((chunk as Buffer).length).toBeGreaterThan(0);
          break;
        }
        expect(stream.destroyed).toBe(true);
      }
      const abort = new AbortController();
      abort.abort(new Error('told to stop'));
      const stopped = await reader.read('public.large', { signal: abort.signal });
      await expect(gather(stopped)).rejects.toMatchObject({ message: expect.stringMatching(/stop|abort/) });
      expect((await contentOf(reader, 'public.large')).equals(large)).toBe(true);
    });

    it('adds up totals and keeps the order in which items came', async () => {
      const writer = await vault.begin(source);
      const slow = new PassThrough();
      const first = writer.store({
        ...itemOf('slow', Buffer.from('')),
        body: slow,
        done: Promise.resolve({ rows: 2, bytes: 20 }),
      });
      await writer.store(itemOf('quick', Buffer.from('y'), { done: Promise.resolve({ rows: 1, bytes: 1 }) }));
      slow.end(await gather(itemOf('', Buffer.from('z')).body));
      await first;
      const manifest = await writer.commit(facts);
      expect(manifest.items.map((item) => [item.name, item.rows])).toEqual([
        ['slow', 2],
        ['quick', 1],
      ]);
      const storedBytes = manifest.items.reduce((sum, item) => sum + item.storedBytes, 0);
      expect(manifest.totals).toEqual({ items: 2, rows: 3, bytes: 21, storedBytes });
    });

    it('shows nothing before the commit, and everything after it', async () => {
      await backUp(vault, source);
      const writer = await vault.begin(source);
      await writer.store(itemOf('a', small));
      expect(await vault.list(source)).toHaveLength(1);
      expect((await vault.open(source, 'latest')).manifest.id).not.toBe(writer.id);
      await expect(vault.open(source, writer.id)).rejects.toMatchObject({ code: 'MANIFEST_NOT_FOUND' });
      expect(found(await vault.verify(source, writer.id))).toEqual([
        { key: manifestKey(source, writer.id), code: 'MANIFEST_NOT_FOUND', recoverable: false },
      ]);
      await writer.commit(facts);
      expect((await vault.open(source, 'latest')).manifest.id).toBe(writer.id);
      expect((await vault.list(source)).map((point) => point.state)).toEqual(['available', 'available']);
      expect((await vault.list(source))[0]?.manifest.id).toBe(writer.id);
    });

    it('stores nothing of an item whose producer failed, and takes it at the second try', async () => {
      const writer = await vault.begin(source);
      const failed = { ...itemOf('a', large), done: Promise.reject(new Error('psql ended with 1')) };
      await expect(writer.store(failed)).rejects.toThrow('psql ended with 1');
      // The stream never ends, only its producer says that it failed.
      const hanging = new PassThrough();
      hanging.write(large);
      const late = new Promise<never>((_resolve, reject) => setTimeout(reject, 50, new Error('killed')));
      await expect(
        writer.store({ name: 'a', kind: 'x', compression: 'zst', body: hanging, done: late }),
      ).rejects.toThrow('killed');
      const broken = Readable.from(
        (async function* () {
          yield large;
          throw new Error('the pipe broke');
        })(),
      );
      await expect(
        writer.store({ name: 'a', kind: 'x', compression: 'zst', body: broken, done: Promise.resolve({}) }),
      ).rejects.toThrow('the pipe broke');
      expect(await test.keys(`v1/${source}/`)).toEqual([]);
      await writer.store(itemOf('a', large));
      await expect(writer.store(itemOf('a', small))).rejects.toMatchObject({ code: 'INTERNAL' });
      const manifest = await writer.commit(facts);
      expect(manifest.items).toHaveLength(1);
      expect((await contentOf(await vault.open(source, 'latest'), 'a')).equals(large)).toBe(true);
    });

    it('leaves no recovery point when it is aborted midway', async () => {
      const before = (await backUp(vault, source)).id;
      const kept = await test.keys(`v1/${source}/`);
      const writer = await vault.begin(source);
      await writer.store(itemOf('done', small));
      const hanging = new PassThrough();
      hanging.write(large);
      const storing = writer.store({
        name: 'running',
        kind: 'x',
        compression: 'zst',
        body: hanging,
        done: new Promise(() => undefined),
      });
      storing.catch(() => undefined);
      await writer.abort();
      await expect(storing).rejects.toMatchObject({ code: 'JOB_ABORTED' });
      await expect(writer.commit(facts)).rejects.toMatchObject({ code: 'JOB_ABORTED' });
      expect((await vault.open(source, 'latest')).manifest.id).toBe(before);
      const now = await test.keys(`v1/${source}/`);
      expect(now).toEqual(expect.arrayContaining([...kept]));
      expect(now).toHaveLength(kept.length + (test.discards ? 0 : 1));
      expect(await vault.abortUploads(source, { before: new Date(Date.now() + 60_000) })).toBe(0);
    });

    it('keeps everything when it is aborted after its manifest was stored', async () => {
      const writer = await vault.begin(source);
      await writer.store(itemOf('a', large));
      await writer.commit(facts);
      await writer.abort();
      expect((await contentOf(await vault.open(source, writer.id), 'a')).equals(large)).toBe(true);
    });

    it('commits twice to the same manifest, and never over another writer', async () => {
      const id = (await backUp(vault, source)).id;
      const first = await vault.begin(source);
      const second = await vault.begin(source, { id: first.id });
      await first.store(itemOf('a', small));
      const manifest = await first.commit(facts);
      expect(await first.commit(facts)).toEqual(manifest);
      await second.store(itemOf('b', small)).catch(() => undefined);
      await expect(second.commit(facts)).rejects.toMatchObject({ code: 'MANIFEST_CONFLICT' });
      expect((await vault.open(source, first.id)).manifest).toEqual(manifest);
      expect((await vault.open(source, id)).manifest.id).toBe(id);
    });

    it('goes on under the id of an attempt that died, and says what that one left', async () => {
      const dead = await vault.begin(source);
      const [left] = await dead.store(itemOf('a', large));
      const writer = await vault.begin(source, { id: dead.id });
      await writer.store(itemOf('a', small));
      const manifest = await writer.commit(facts);
      expect(manifest.leftovers).toEqual([left?.key]);
      expect(manifest.items[0]?.key).toContain('/data/00002-a');
      expect(await vault.verify(source, 'latest', { deep: true })).toMatchObject({ ok: true });
      expect((await contentOf(await vault.open(source, dead.id), 'a')).equals(small)).toBe(true);
    });

    it('rolls a large item over into segments and reads them as one', async () => {
      const segments = (await backUpInSegments()).items.filter((item) => item.name === 'cut');
      expect(segments.length).toBeGreaterThan(3);
      expect(segments.map((item) => item.segment)).toEqual(segments.map((_, index) => index + 1));
      expect(segments.slice(0, -1).every((item) => item.storedBytes === 1 << 20)).toBe(true);
      expect(segments.map((item) => item.bytes)).toEqual([
        3 << 20,
        ...segments.slice(1).map(() => undefined),
      ]);
      const reader = await vault.open(source, 'latest');
      expect((await contentOf(reader, 'cut')).equals(large)).toBe(true);
      expect(reader.items()).toHaveLength(1);
      // Whole segments in the wrong order have right hashes only under their own keys.
      const [one, two] = [segments[0]?.key ?? '', segments[1]?.key ?? ''];
      const [oneBytes, twoBytes] = [await test.read(one), await test.read(two)];
      await test.replace(one, twoBytes);
      await test.replace(two, oneBytes);
      expect(found(await vault.verify(source, 'latest', { deep: true }))).toEqual([
        { key: one, code: 'OBJECT_CORRUPT', recoverable: false },
        { key: two, code: 'OBJECT_CORRUPT', recoverable: false },
      ]);
      await expect(contentOf(await vault.open(source, reader.manifest.id), 'cut')).rejects.toMatchObject({
        code: expect.stringMatching(/OBJECT_|DECRYPT_FAILED/),
      });
    });
    const backUpInSegments = async () => {
      const writer = await test.segmented.begin(source);
      await writer.store(itemOf('cut', large));
      return writer.commit(facts);
    };

    it('chains manifests, and finds a predecessor that was altered', async () => {
      const first = await backUp(vault, source);
      const second = await backUp(vault, source);
      expect(second.previous?.id).toBe(first.id);
      expect(await vault.verify(source, second.id)).toMatchObject({ ok: true });
      const key = manifestKey(source, first.id);
      await test.replace(key, Buffer.concat([await test.read(key), Buffer.from('\n')]));
      expect(found(await vault.verify(source, second.id))).toEqual([
        { key, code: 'MANIFEST_CHAIN_GAP', recoverable: true },
      ]);
      // Nothing says how long it was to be kept, so retention may have taken it.
      await test.remove(key);
      expect(await vault.verify(source, second.id)).toMatchObject({ ok: true, problems: [] });
    });

    it('takes no older point for one that a newer version wrote', async () => {
      const older = await backUp(vault, source);
      const writer = await vault.begin(source);
      await writer.store(itemOf('public.small', small));
      const newer = await writer.commit({ ...facts, features: ['of-tomorrow'] });
      for (const id of ['latest', newer.id])
        await expect(vault.open(source, id)).rejects.toMatchObject({
          code: 'MANIFEST_TOO_NEW',
          message: expect.stringMatching(/manifest\.json has the features of-tomorrow, which/),
        });
      expect((await vault.open(source, older.id)).manifest.id).toBe(older.id);
      const told: unknown[] = [];
      const listed = await vault.list(source, { onPassedOver: (point) => told.push(point) });
      expect(listed.map(({ manifest }) => manifest.id)).toEqual([older.id]);
      expect(told).toEqual([{ id: newer.id, code: 'MANIFEST_TOO_NEW' }]);
      expect(found(await vault.verify(source, newer.id))).toEqual([
        { key: manifestKey(source, newer.id), code: 'MANIFEST_TOO_NEW', recoverable: false },
      ]);
      // Backups go on: a Region one deployment behind must protect what is lost meanwhile.
      const next = await backUp(vault, source);
      expect((await vault.open(source, 'latest')).manifest.id).toBe(next.id);
    });

    it('tells a source and a recovery point that do not exist', async () => {
      await backUp(vault, source);
      const nobody = '01AAAAAAAAAAAAAAAAAAAAAAAA';
      await expect(vault.open('nothing-here', 'latest')).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
      await expect(vault.list('nothing-here')).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
      await expect(vault.open('nothing-here', nobody)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
      await expect(vault.open(source, nobody)).rejects.toMatchObject({ code: 'MANIFEST_NOT_FOUND' });
      await expect(vault.verify(source, nobody)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      expect(await vault.listSources()).toContain(source);
    });

    it('refuses the wrong key and still opens with the right one', async () => {
      const manifest = await backUp(vault, source);
      const code = test.wrongKeyCode;
      for (const id of [manifest.id, 'latest'])
        await expect(test.withWrongKey.open(source, id)).rejects.toMatchObject({ code });
      expect((await vault.open(source, 'latest')).manifest.id).toBe(manifest.id);
    });

    describeTampering(() => test);
  });
}
