import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DigestMeter } from '../vault/digest.ts';
import { manifestKey } from '../vault/layout.ts';
import type { Manifest } from '../vault/manifest.ts';
import { manifestBytes } from '../vault/manifest-store.ts';
import { compareCopy, type PeerStore } from './compare-copy.ts';
import { type Copies, damage, silentPeer, source, startCopies } from './testing.copies.ts';

let copies: Copies;
beforeEach(async () => {
  copies = await startCopies();
});
afterEach(() => copies.remove());

const opened = async ({ id }: Manifest) => copies.vault.open(source, id);

describe('compareCopy', () => {
  it('finds a whole copy, and each kind of damage to it', async () => {
    const manifest = await copies.backUp();
    const point = await opened(manifest);
    const { peer, peerFile } = copies;
    expect(await compareCopy(peer, point)).toMatchObject({
      answer: 'incomplete',
      problems: [{ code: 'OBJECT_NOT_FOUND' }],
    });
    copies.replicate();
    expect(await compareCopy(peer, point)).toEqual({ answer: 'complete' });
    const [first, second] = manifest.items.map(({ key }) => key) as [string, string];
    damage(peerFile(first));
    expect(await compareCopy(peer, point)).toMatchObject({
      problems: [{ key: first, code: 'OBJECT_CORRUPT' }],
    });
    fs.rmSync(peerFile(first));
    fs.truncateSync(peerFile(second), fs.statSync(peerFile(second)).size - 1);
    expect(await compareCopy(peer, point)).toEqual({
      answer: 'incomplete',
      problems: [
        { key: first, code: 'OBJECT_NOT_FOUND' },
        { key: second, code: 'OBJECT_TRUNCATED' },
      ],
    });
  });

  it('wants the checksum on record and the lock to last as long', async () => {
    const point = await opened(await copies.backUp());
    const until = '2026-12-01T00:00:00.000Z';
    const answer = async (change: object, promised: Partial<Manifest> = {}) => {
      const manifest = { ...point.manifest, lockedUntil: until, ...promised };
      const locked = { lockedUntil: new Date(until), lockMode: 'compliance' as const };
      const peer = await peerOf(manifest, { ...locked, ...change });
      return compareCopy(peer, { ...point, manifest });
    };
    const refused = (code: string) => ({ answer: 'incomplete', problems: [{ code }] });
    expect(await answer({})).toEqual({ answer: 'complete' });
    expect(await answer({ crc64nvme: undefined })).toMatchObject(refused('OBJECT_CORRUPT'));
    expect(await answer({ crc64nvme: 'AAAAAAAAAAA=' })).toMatchObject(refused('OBJECT_CORRUPT'));
    expect(await answer({ lockedUntil: undefined })).toMatchObject(refused('OBJECT_NOT_LOCKED'));
    const early = { lockedUntil: new Date('2026-11-30T23:59:59.000Z') };
    expect(await answer(early)).toMatchObject(refused('OBJECT_NOT_LOCKED'));
    // A lock that can be lifted is less than was promised; one that cannot be is more.
    const governance = { lockMode: 'governance' } as const;
    expect(await answer(governance)).toMatchObject(refused('OBJECT_NOT_LOCKED'));
    expect(await answer(governance, governance)).toEqual({ answer: 'complete' });
    expect(await answer({}, governance)).toEqual({ answer: 'complete' });
    expect(await answer({ ...governance, lockedUntil: undefined }, governance)).toMatchObject(
      refused('OBJECT_NOT_LOCKED'),
    );
  });

  it('holds the copy against the manifest that was verified, not against what stands at its key now', async () => {
    const manifest = await copies.backUp();
    const point = await opened(manifest);
    copies.replicate();
    const key = manifestKey(source, manifest.id);
    for (const file of [copies.ownFile(key), copies.peerFile(key)]) damage(file);
    expect(await compareCopy(copies.peer, point)).toEqual({
      answer: 'incomplete',
      problems: [{ key, code: 'OBJECT_CORRUPT' }],
    });
    fs.rmSync(copies.ownFile(key));
    expect(await compareCopy(copies.peer, point)).toMatchObject({ problems: [{ code: 'OBJECT_CORRUPT' }] });
  });

  it('finds the copy of the verified version behind a later one of the same key', async () => {
    const point = await opened(await copies.backUp());
    const { manifest } = point;
    const key = manifestKey(source, manifest.id);
    const versions = {
      first: await peerOf(manifest),
      second: await peerOf(manifest, { crc64nvme: 'AAAAAAAAAAA=' }),
    };
    const peer: PeerStore = {
      head: (ref) =>
        (ref.key === key && ref.versionId !== 'first' ? versions.second : versions.first).head(ref),
    };
    const read = (versionId: string) => ({
      manifest,
      storedManifest: { ...point.storedManifest, versionId },
    });
    expect(await compareCopy(peer, read('first'))).toEqual({ answer: 'complete' });
    expect(await compareCopy(peer, read('second'))).toMatchObject({
      problems: [{ key, code: 'OBJECT_CORRUPT' }],
    });
  });

  it('calls no copy complete of a point that holds nothing', async () => {
    const point = await opened(await copies.backUp());
    const manifest = { ...point.manifest, items: [] };
    expect(await compareCopy(await peerOf(manifest), { ...point, manifest })).toEqual({
      answer: 'incomplete',
      problems: [{ key: manifestKey(source, manifest.id), code: 'MANIFEST_INVALID' }],
    });
  });

  it('does not take silence for absence', async () => {
    expect(await compareCopy(silentPeer, await opened(await copies.backUp()))).toEqual({
      answer: 'unreachable',
    });
  });
});

/** A Region that holds this manifest and the data of the own one; `change` is what it says of every object besides. */
async function peerOf(manifest: Manifest, change: object = {}): Promise<PeerStore> {
  const meter = await DigestMeter.create();
  meter.update(manifestBytes(manifest));
  const { storedBytes, crc64nvme } = meter.digest();
  return {
    head: async ({ key }) => {
      const facts = await copies.own.head({ key });
      const isManifest = key === manifestKey(source, manifest.id);
      return facts && { ...facts, ...(isManifest && { storedBytes, crc64nvme }), ...change };
    },
  };
}
