import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canaryKey } from '../../../core/canary/canary.ts';
import { installCanary } from '../../../core/engines/postgres/canary-table.ts';
import { type PostgresServer, startPostgres } from '../../postgres/postgres-server.ts';
import { compareWithAcknowledged } from './compare.ts';
import { firstLiveNumber, startLiveWriter } from './live-writer.ts';
import { loadShop, sql } from './load-shop.ts';
import { Prose, Random } from './random.ts';

let server: PostgresServer;
const key = canaryKey(Buffer.alloc(32, 7));
const install = (at: PostgresServer) =>
  installCanary(
    { connection: at.connectionTo('shop'), signal: new AbortController().signal },
    { schema: 'holdfast', writer: 'holdfast_canary', login: { password: 'x' } },
  );
beforeAll(async () => {
  server = await startPostgres();
  await loadShop(server, { database: 'shop', scale: 0.01 });
  await install(server);
});
afterAll(() => server.destroy());

describe('Prose', () => {
  it('gives the same text for the same seed and another for another', () => {
    const text = (seed: number) => new Prose(new Random(seed)).sentence(20);
    expect(text(1)).toBe(text(1));
    expect(text(1)).not.toBe(text(2));
  });
});

describe('live writer', () => {
  it('ends quietly when the server is killed, and remembers what was acknowledged', async () => {
    const doomed = await startPostgres();
    await loadShop(doomed, { database: 'shop', scale: 0.005 });
    await install(doomed);
    const writer = await startLiveWriter(doomed, 'shop', key);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await doomed.kill();
    await expect(writer.stop()).resolves.toBeUndefined();
    expect(writer.acknowledged.length).toBeGreaterThan(3);
    const numbers = writer.acknowledged.map((order) => order.number);
    expect(numbers).toEqual(numbers.map((_, i) => firstLiveNumber + i));
    await doomed.destroy();
  });

  it('tells when a writer stopped although the server was there', async () => {
    const writer = await startLiveWriter(server, 'shop', key);
    await sql(server, 'shop', 'alter table holdfast.canary rename to gone');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await sql(server, 'shop', 'alter table holdfast.gone rename to canary');
    await expect(writer.stop()).rejects.toMatchObject({ code: 'SANDBOX' });
    await sql(server, 'shop', 'truncate holdfast.canary');
    await sql(
      server,
      'shop',
      `delete from shop.order_items where order_id in (select id from shop.orders where number >= ${firstLiveNumber})`,
    );
    await sql(server, 'shop', `delete from shop.orders where number >= ${firstLiveNumber}`);
  });
});

describe('workload', () => {
  it('loads consistent rows, keeps writing, and finds exactly what is missing afterwards', async () => {
    const writer = await startLiveWriter(server, 'shop', key);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await writer.stop();
    const acknowledged = [...writer.acknowledged];
    expect(acknowledged.length).toBeGreaterThan(10);
    const whole = await compareWithAcknowledged(server, 'shop', acknowledged);
    expect(whole.missing).toEqual([]);
    expect(whole.checks.filter((check) => !check.ok)).toEqual([]);
    const [canaries] = await sql<{ written: number }>(
      server,
      'shop',
      'select count(*)::int as written from holdfast.canary',
    );
    expect(canaries?.written).toBeGreaterThan(1);

    await sql(
      server,
      'shop',
      `delete from shop.order_items where order_id = (select id from shop.orders where number = ${firstLiveNumber + 3})`,
    );
    await sql(server, 'shop', `delete from shop.orders where number = ${firstLiveNumber + 3}`);
    await sql(server, 'shop', `update shop.orders set total = total + 1 where id = 1`);
    const broken = await compareWithAcknowledged(server, 'shop', acknowledged);
    expect(broken.missing).toEqual([firstLiveNumber + 3]);
    expect(broken.checks.filter((check) => !check.ok).map((check) => check.name)).toEqual([
      'every order total is the sum of its items',
      'live orders end at one moment, without a gap',
    ]);
  });
});
