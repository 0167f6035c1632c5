import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import { type Copies, noon, source, startCopies } from '../catalog/testing.copies.ts';
import { recordOf } from '../catalog/point-record.ts';
import type { Engine } from '../engines/engine.ts';
import { HoldfastError } from '../errors.ts';
import { runRestoreTest } from './run-restore-test.ts';

let copies: Copies;
beforeEach(async () => {
  copies = await startCopies();
});
afterEach(() => copies.remove());

/** Restores whatever it gets, and finds it right. */
const engine = {
  restore: async () => ({ items: 2, rows: 2, phases: [], warnings: [], faults: [] }),
  check: async () => ({
    checks: [],
    notChecked: [],
    recoveredTo: { at: noon.toISOString(), by: 'snapshot' as const },
  }),
} as unknown as Engine<string>;

async function test(change: Partial<CatalogStore> = {}) {
  const manifest = await copies.backUp();
  const { catalog } = copies;
  await catalog.putRecoveryPoint(recordOf(manifest, 'us-east-1', { state: 'stored' }));
  const claim = {
    kind: 'restore-test',
    source,
    region: 'us-east-1',
    owner: 'execution-1',
    epoch: 1,
  } as const;
  const leaseUntil = new Date(noon.getTime() + 60_000);
  await catalog.claim({ ...claim, jobId: 'job-1', scheduledFor: noon, now: noon, leaseUntil });
  const changed = new Proxy(catalog, {
    get: (target, name: keyof CatalogStore) => change[name] ?? (target[name] as () => unknown).bind(target),
  });
  const done = runRestoreTest<string>({
    catalog: changed,
    vault: copies.vault,
    engine,
    jobId: 'job-1',
    source,
    region: 'us-east-1',
    recoveryPointId: manifest.id,
    connections: 1,
    progressSeconds: 60,
    signal: new AbortController().signal,
    log: { info: () => undefined, warn: () => undefined },
    now: () => noon,
    assertions: [],
    scratch: {
      unsuitedFor: async () => undefined,
      prepare: async () => 'scratch',
      stop: async () => undefined,
    },
  });
  const verdict = async () => (await catalog.getRecoveryPoint(source, manifest.id))?.restoreTest?.result;
  return { done, verdict };
}

describe('the verdict of a restore test', () => {
  it('stands with the point once the job has ended well', async () => {
    const { done, verdict } = await test();
    expect((await done).verdict).toBe('PASSED');
    expect(await verdict()).toBe('PASSED');
  });

  it('is not PASSED when the job could not be completed', async () => {
    const complete = async () => {
      throw new HoldfastError('LEASE_LOST', 'another took over');
    };
    const { done, verdict } = await test({ complete });
    await expect(done).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await verdict()).toBeUndefined();
  });
});
