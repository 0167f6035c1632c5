import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey } from './layout.ts';
import type { Manifest } from './manifest.ts';
import { backUp, contentOf, found, small, type VaultUnderTest } from './testing/vault-fixture.ts';
import type { Vault } from './vault.ts';

/** Every way to damage what is stored, on whatever stores it. */
export function describeTampering(underTest: () => VaultUnderTest): void {
  describe('when someone tampers', () => {
    let test: VaultUnderTest;
    let vault: Vault;
    let source: string;
    let sources = 0;
    let manifest: Manifest;
    let key: string;
    beforeEach(async () => {
      test = underTest();
      vault = test.vault;
      sources += 1;
      source = `tampered-${sources}`;
      manifest = await backUp(vault, source);
      key = keyOf('public.large');
    });

    const keyOf = (item: string) => manifest.items.find((entry) => entry.name === item)?.key ?? '';

    /** Names the object and the code, stops a restore before it begins, leaves the other items readable. */
    async function expectRefused(code: string, readError: object): Promise<void> {
      expect(found(await vault.verify(source, manifest.id))).toEqual([{ key, code, recoverable: false }]);
      const reader = await vault.open(source, manifest.id);
      const report = await reader.checkBeforeRestore();
      expect(report.ok).toBe(false);
      expect(found(report)).toEqual([{ key, code, recoverable: false }]);
      expect(await reader.checkBeforeRestore(['public.small'])).toMatchObject({ ok: true, problems: [] });
      expect((await contentOf(reader, 'public.small')).equals(small)).toBe(true);
      await expect(contentOf(reader, 'public.large')).rejects.toMatchObject(readError);
    }

    it('finds a flipped bit, wherever it is', async () => {
      const bytes = await test.read(key);
      for (const at of [3, 1_500_000, bytes.length - 1]) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 4;
        await test.replace(key, flipped);
        await expectRefused('OBJECT_CORRUPT', { code: expect.stringMatching(/OBJECT_|DECRYPT_FAILED/) });
        expect(found(await vault.verify(source, 'latest', { deep: true }))).toEqual([
          { key, code: 'OBJECT_CORRUPT', recoverable: false },
        ]);
      }
    });

    it('finds a truncated object', async () => {
      const bytes = await test.read(key);
      await test.replace(key, bytes.subarray(0, -1));
      expect(await test.read(key)).toHaveLength(bytes.length - 1);
      await expectRefused('OBJECT_TRUNCATED', { code: expect.stringMatching(/OBJECT_/) });
    });

    it('finds bytes added at the end', async () => {
      const bytes = await test.read(key);
      await test.replace(key, Buffer.concat([bytes, Buffer.from('x')]));
      expect(await test.read(key)).toHaveLength(bytes.length + 1);
      await expectRefused('OBJECT_CORRUPT', { code: expect.stringMatching(/OBJECT_/) });
    });

    it('finds a deleted object', async () => {
      await test.remove(key);
      expect(await test.keys(`v1/${source}/`)).toHaveLength(3);
      await expectRefused('OBJECT_NOT_FOUND', { code: 'OBJECT_NOT_FOUND' });
    });

    it('finds two swapped objects', async () => {
      const other = keyOf('public.small');
      const [a, b] = [await test.read(key), await test.read(other)];
      await test.replace(key, b);
      await test.replace(other, a);
      expect(found(await vault.verify(source, 'latest'))).toEqual([
        { key: other, code: 'OBJECT_CORRUPT', recoverable: false },
        { key, code: 'OBJECT_TRUNCATED', recoverable: false },
      ]);
      const reader = await vault.open(source, manifest.id);
      expect(await reader.checkBeforeRestore()).toMatchObject({ ok: false });
      for (const item of ['public.small', 'public.large'])
        await expect(contentOf(reader, item)).rejects.toMatchObject({
          code: expect.stringMatching(/OBJECT_|DECRYPT_FAILED/),
        });
    });

    it('finds an object that nobody wrote', async () => {
      const stranger = key.replace('00002', '00009');
      await test.replace(stranger, Buffer.from('stranger'));
      const report = await vault.verify(source, 'latest');
      expect(found(report)).toEqual([{ key: stranger, code: 'OBJECT_UNEXPECTED', recoverable: true }]);
      expect(report.ok).toBe(false);
      expect(await (await vault.open(source, 'latest')).checkBeforeRestore()).toMatchObject({ ok: true });
    });

    it('finds an edited manifest', async () => {
      const place = manifestKey(source, manifest.id);
      const text = (await test.read(place)).toString();
      const edits = [
        text.replace('"rows": 0', '"rows": 1'),
        text.replace(manifest.items[0]?.sha256 ?? '-', 'f'.repeat(64)),
        text.replace('"notCovered": []', '"notCovered": [{"name":"a","reason":"b"}]'),
        text.replace(manifest.signature.value, 'AAAA'),
      ];
      for (const edited of edits) {
        expect(edited).not.toBe(text);
        await test.replace(place, Buffer.from(edited));
        expect(found(await vault.verify(source, 'latest'))).toEqual([
          { key: place, code: 'MANIFEST_SIGNATURE', recoverable: false },
        ]);
        await expect(vault.open(source, manifest.id)).rejects.toMatchObject({ code: 'MANIFEST_SIGNATURE' });
        await expect(vault.open(source, 'latest')).rejects.toMatchObject({ code: 'MANIFEST_SIGNATURE' });
        expect(await vault.list(source)).toEqual([]);
      }
      for (const [edited, code] of [
        ['{', 'MANIFEST_INVALID'],
        [text.replace('"schemaVersion": 1', '"schemaVersion": 2'), 'MANIFEST_SIGNATURE'],
        [text.replace('"items": [', '"features": ["unheard-of"], "items": ['), 'MANIFEST_SIGNATURE'],
        [text.replace('"type": "full"', '"type": "odd"'), 'MANIFEST_INVALID'],
      ] as const) {
        await test.replace(place, Buffer.from(edited));
        await expect(vault.open(source, manifest.id)).rejects.toMatchObject({ code });
      }
      await test.replace(place, Buffer.from(text));
      expect(await vault.verify(source, 'latest', { deep: true })).toMatchObject({ ok: true });
    });

    it("finds another point's genuine manifest in this one's place", async () => {
      const second = await backUp(vault, source);
      const place = manifestKey(source, second.id);
      await test.replace(place, await test.read(manifestKey(source, manifest.id)));
      await expect(vault.open(source, second.id)).rejects.toMatchObject({ code: 'MANIFEST_SIGNATURE' });
    });
  });
}
