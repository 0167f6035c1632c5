import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../sandbox/postgres/postgres-server.ts';
import { canaryKey } from '../canary/canary.ts';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import { installCanary, openCanaryWriter, readCanaryStatus } from '../engines/postgres/canary-table.ts';
import { examplePlan } from './testing.ts';
import { writeCanaries } from './write-canaries.ts';

const key = canaryKey(Buffer.alloc(32, 5));
const { signal } = new AbortController();

describe('writeCanaries', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.destroy());

  const deps = async (everySeconds: number | undefined) => {
    const catalog = createMemoryCatalogStore();
    const [source] = examplePlan.sources;
    const canary = everySeconds === undefined ? {} : { canary: { everySeconds, schema: 'holdfast' } };
    return {
      catalog,
      plan: { ...examplePlan, sources: [{ ...source!, ...canary }] },
      region: 'us-east-1',
      source: 'shop-db',
      open: () => openCanaryWriter({ connection: server.connection, signal }, key),
      now: () => new Date('2026-11-02T12:00:00.123Z'),
    };
  };

  it('fails before the canary is installed, and writes afterwards, in the primary as long as no job has run', async () => {
    const run = async () => writeCanaries(await deps(60));
    await expect(run()).rejects.toMatchObject({ code: 'CANARY_NOT_FOUND' });
    const installation = { schema: 'holdfast', writer: 'w', login: { password: 'x' } };
    await installCanary({ connection: server.connection, signal }, installation);
    expect((await run()).reply).toEqual({ source: 'shop-db', state: 'written', rows: 1, seq: 1 });
    const status = await readCanaryStatus({ connection: server.connection, signal }, key);
    expect(status.newestGenuine?.writtenAt.toISOString()).toBe('2026-11-02T12:00:00.123Z');
  });

  it('writes nothing in the Region that is not the active one', async () => {
    const asked = await deps(60);
    await asked.catalog.setControl({ activeRegion: 'us-west-2', epoch: 2 }, undefined);
    const { reply } = await writeCanaries({ ...asked, open: () => Promise.reject(new Error('asked')) });
    expect(reply).toEqual({ source: 'shop-db', state: 'stoodDown', rows: 0 });
    expect((await writeCanaries({ ...asked, region: 'us-west-2' })).reply.state).toBe('written');
  });

  it('refuses a source without a canary', async () => {
    await expect(writeCanaries(await deps(undefined))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
  });
});
