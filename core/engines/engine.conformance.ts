import { createReadStream } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../errors.ts';
import type { ItemInput } from '../vault/vault.ts';
import type { BackupContext, BackupOutcome, Engine, RestoreContext } from './engine.ts';
import { TestStore } from './testing.ts';

/** What an engine's own test provides: real servers, and data whose invariants can be told apart from chance. */
export interface EngineSubject<Connection> {
  readonly engine: Engine<Connection>;
  /** A source with some megabytes, several items of rows, and the invariant that `holds` proves. */
  createSource(): Promise<Connection>;
  createTarget(): Promise<Connection>;
  /** Writes to the source without end, each transaction keeping the invariant, until told to stop. */
  startWriting(source: Connection): { stop(): Promise<number> };
  /** True when the data is one consistent state. */
  holds(target: Connection): Promise<boolean>;
  /** Equal for equal data. */
  digest(connection: Connection): Promise<string>;
  /** Programs and sessions of the engine that still exist. */
  leftovers(connection: Connection): Promise<string[]>;
  stop(): Promise<void>;
}

/** One suite for every engine: consistent under live writes, whole or failed under abuse, nothing left behind. */
export function describeEngine<Connection>(
  name: string,
  create: () => Promise<EngineSubject<Connection>>,
): void {
  describe(`${name} engine conformance`, () => {
    let subject: EngineSubject<Connection>;
    let source: Connection;
    const stores: TestStore[] = [];

    const newStore = async () => {
      const store = await TestStore.create();
      stores.push(store);
      return store;
    };
    const context = (overrides: Partial<BackupContext<Connection>>): BackupContext<Connection> => ({
      connection: source,
      connections: 2,
      onDdl: 'hold',
      signal: new AbortController().signal,
      store: () => Promise.reject(new Error('no store given')),
      onProgress: () => undefined,
      log: { info: () => undefined, warn: () => undefined },
      ...overrides,
    });
    const backup = async (overrides: Partial<BackupContext<Connection>> = {}) => {
      const store = await newStore();
      const outcome = await subject.engine.backup(context({ store: store.store, ...overrides }));
      return { store, outcome };
    };
    const restore = async (
      from: { store: TestStore; outcome: BackupOutcome },
      overrides: Partial<RestoreContext<Connection>> = {},
    ) => {
      const target = overrides.connection ?? (await subject.createTarget());
      const { signal, onProgress, log, connections } = context({});
      const result = await subject.engine.restore({
        connection: target,
        connections,
        manifest: from.store.manifest(from.outcome),
        read: from.store.read,
        signal,
        onProgress,
        log,
        ...overrides,
      });
      return { target, result };
    };

    beforeAll(async () => {
      subject = await create();
      source = await subject.createSource();
    });
    afterAll(async () => {
      await Promise.all(stores.map((store) => store.delete()));
      await subject.stop();
    });

    it('restores what it backed up', async () => {
      const made = await backup();
      const { target, result } = await restore(made);
      expect(await subject.digest(target)).toBe(await subject.digest(source));
      expect(result.rows).toBe(made.store.manifest(made.outcome).totals.rows);
      const { checks } = await subject.engine.check({
        connection: target,
        manifest: made.store.manifest(made.outcome),
        assertions: [],
        signal: new AbortController().signal,
      });
      expect(checks.filter((check) => !check.ok)).toEqual([]);
      expect(checks.length).toBeGreaterThan(0);
    });

    it('backs up one consistent state while others write', async () => {
      const writer = subject.startWriting(source);
      await sleep(300);
      const made = await backup();
      const written = await writer.stop();
      const { target } = await restore(made);
      expect(written).toBeGreaterThan(0);
      expect(await subject.holds(target)).toBe(true);
      expect(await subject.digest(target)).not.toBe(await subject.digest(source));
    });

    it('reports progress that never goes back and ends at the totals', async () => {
      const seen: {
        rows: number;
        bytes: number;
        itemsDone: number;
        itemsTotal: number;
        estimatedBytes: number;
      }[] = [];
      const { store, outcome } = await backup({ onProgress: (progress) => seen.push(progress) });
      for (const [index, entry] of seen.entries()) {
        expect(entry.rows).toBeGreaterThanOrEqual(seen[index - 1]?.rows ?? 0);
        expect(entry.bytes).toBeGreaterThanOrEqual(seen[index - 1]?.bytes ?? 0);
        expect(entry.estimatedBytes).toBeGreaterThanOrEqual(entry.bytes);
      }
      expect(seen.at(-1)?.rows).toBe(store.manifest(outcome).totals.rows);
      expect(seen.at(-1)?.itemsDone).toBe(seen.at(-1)?.itemsTotal);
    });

    it('stops when told to, at any moment, and leaves nothing running', async () => {
      for (const delay of [0, 20, 60, 120, 200, 300]) {
        const controller = new AbortController();
        const store = await newStore();
        const slow = async (item: ItemInput) => {
          await sleep(150);
          return store.store(item);
        };
        const running = backup({ signal: controller.signal, store: slow });
        setTimeout(() => controller.abort(), delay);
        await expect(running).rejects.toMatchObject({ code: 'JOB_ABORTED' });
        expect(await subject.leftovers(source)).toEqual([]);
      }
    });

    it('fails as its store fails, and leaves nothing running', async () => {
      let stored = 0;
      const store = await newStore();
      const failing = async (item: ItemInput) => {
        stored += 1;
        if (stored < 4) return store.store(item);
        item.body.destroy();
        throw new HoldfastError('VAULT_ACCESS_DENIED', 'the vault refuses');
      };
      await expect(backup({ store: failing })).rejects.toMatchObject({ code: 'VAULT_ACCESS_DENIED' });
      expect(await subject.leftovers(source)).toEqual([]);
    });

    it('refuses a truncated item and an item with a flipped bit', async () => {
      const made = await backup();
      const item = made.store.items.toSorted((a, b) => b.storedBytes - a.storedBytes)[0]!;
      const file = made.store.fileOf(item.name);
      const bytes = await readFile(file);

      await truncate(file, Math.floor(bytes.length / 2));
      await expect(restore(made)).rejects.toMatchObject({
        code: expect.stringMatching(/^(DECOMPRESS_FAILED|COUNT_MISMATCH|TOOL_FAILED)$/),
      });

      const flipped = Buffer.from(bytes);
      flipped[Math.floor(bytes.length / 2)]! ^= 0x10;
      await writeFile(file, flipped);
      await expect(restore(made)).rejects.toMatchObject({
        code: expect.stringMatching(/^(DECOMPRESS_FAILED|COUNT_MISMATCH|TOOL_FAILED)$/),
      });
    });

    it('hands on the reason when an item cannot be read to its end', async () => {
      const made = await backup();
      const biggest = made.store.items.toSorted((a, b) => b.storedBytes - a.storedBytes)[0]!.name;
      const target = await subject.createTarget();
      const read = async (name: string) => {
        if (name !== biggest) return made.store.read(name);
        const half = createReadStream(made.store.fileOf(name));
        return Readable.from(
          (async function* () {
            for await (const chunk of half) {
              yield (chunk as Buffer).subarray(0, 1000);
              throw new HoldfastError('OBJECT_CORRUPT', 'the stored bytes differ from the manifest');
            }
          })(),
          { objectMode: false },
        );
      };
      await expect(restore(made, { connection: target, read })).rejects.toMatchObject({
        code: 'OBJECT_CORRUPT',
      });
      expect(await subject.leftovers(target)).toEqual([]);
    });

    it('stops a restore when told to, and leaves nothing running', async () => {
      const made = await backup();
      for (const delay of [0, 50, 150, 400]) {
        const controller = new AbortController();
        const target = await subject.createTarget();
        const slow = async (itemName: string) => {
          await sleep(100);
          return made.store.read(itemName);
        };
        setTimeout(() => controller.abort(), delay);
        await expect(
          restore(made, { connection: target, signal: controller.signal, read: slow }),
        ).rejects.toMatchObject({ code: 'JOB_ABORTED' });
        expect(await subject.leftovers(target)).toEqual([]);
      }
    });
  });
}
