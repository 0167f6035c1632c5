import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Manifest, ManifestItem } from '../vault/manifest.ts';
import type { ItemInput } from '../vault/vault.ts';
import type { BackupOutcome } from './engine.ts';

/** A folder that stands in for a vault in tests of engines: stores items as they come, without encryption. */
export class TestStore {
  readonly directory: string;
  readonly items: ManifestItem[] = [];
  /** Names of the items that were read, in order. */
  readonly readNames: string[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<TestStore> {
    return new TestStore(await mkdtemp(path.join(os.tmpdir(), 'holdfast-store-')));
  }

  /** An item counts only when its producers ended well, as in a vault. */
  readonly store = async (input: ItemInput): Promise<ManifestItem[]> => {
    const key = `${String(this.items.length).padStart(5, '0')}-${createHash('sha256').update(input.name).digest('hex').slice(0, 12)}.zst`;
    const file = path.join(this.directory, key);
    const hash = createHash('sha256');
    let storedBytes = 0;
    await pipeline(
      input.body,
      async function* (chunks) {
        for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
          hash.update(chunk);
          storedBytes += chunk.length;
          yield chunk;
        }
      },
      createWriteStream(file),
    );
    const counts = await input.done;
    const item: ManifestItem = {
      name: input.name,
      kind: input.kind,
      key,
      storedBytes,
      sha256: hash.digest('hex'),
      crc64nvme: '',
      ...counts,
      ...(input.detail === undefined ? {} : { detail: input.detail }),
    };
    this.items.push(item);
    return [item];
  };

  readonly read = async (name: string): Promise<Readable> => {
    this.readNames.push(name);
    return createReadStream(this.fileOf(name));
  };

  fileOf(name: string): string {
    const item = this.items.find((entry) => entry.name === name);
    if (item === undefined) throw new Error(`no item ${name}`);
    return path.join(this.directory, item.key);
  }

  async bytesOf(name: string): Promise<Buffer> {
    return readFile(this.fileOf(name));
  }

  /** What a vault would have committed. */
  manifest(outcome: BackupOutcome): Manifest {
    const sum = (pick: (item: ManifestItem) => number | undefined) =>
      this.items.reduce((total, item) => total + (pick(item) ?? 0), 0);
    return {
      schemaVersion: 1,
      id: '01J0000000000000000000TEST',
      source: 'test-source',
      type: 'full',
      startedAt: new Date(0).toISOString(),
      finishedAt: new Date().toISOString(),
      items: this.items,
      totals: {
        items: this.items.length,
        rows: sum((item) => item.rows),
        bytes: sum((item) => item.bytes),
        storedBytes: sum((item) => item.storedBytes),
      },
      signature: { algorithm: 'HMAC_SHA_256', keyId: 'test', value: '' },
      ...outcome,
    };
  }

  async delete(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
