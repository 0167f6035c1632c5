import { describe, expect, it } from 'vitest';
import { earlyEntries, EarlyJobs } from './restore-early.ts';
import type { TableItem } from './restore-items.ts';
import { parseTableOfContents } from './restore-toc.ts';

const megabyte = 1024 ** 2;

/** As `pg_restore --list --verbose` prints them. */
const preData = parseTableOfContents(`
10; 1259 101 TABLE public orders shop
11; 1259 102 TABLE public items shop
12; 1259 103 TABLE public tenants shop
13; 1259 104 TABLE public small shop
14; 1259 105 TABLE public measurements shop
15; 1259 106 TABLE public measurements_1 shop`);
const postData = parseTableOfContents(`
20; 2606 1 CONSTRAINT public orders orders_pkey shop
;	depends on: 10
21; 1259 2 INDEX public items_note shop
;	depends on: 11 11
22; 2606 3 CONSTRAINT public tenants tenants_pkey shop
;	depends on: 12
23; 2606 4 CONSTRAINT public small small_pkey shop
;	depends on: 13
30; 2606 5 FK CONSTRAINT public items items_order_fkey shop
;	depends on: 20 10 11
31; 2606 6 FK CONSTRAINT public orders orders_tenant_fkey shop
;	depends on: 22 12 10
32; 2606 7 FK CONSTRAINT public small small_tenant_fkey shop
;	depends on: 22 12 13
33; 2606 8 FK CONSTRAINT public items items_measurement_fkey shop
;	depends on: 14 11
34; 2606 9 FK CONSTRAINT public orders orders_elsewhere_fkey shop
;	depends on: 10 99
40; 1259 10 INDEX public measurements_1_at shop
;	depends on: 15
41; 2620 11 TRIGGER public items items_audit shop
;	depends on: 11`);

function table(oid: number, bytes: number, more: object = {}): TableItem {
  return { item: { bytes }, detail: { oid, ...more }, storedBytes: bytes } as unknown as TableItem;
}

const tables = [
  table(101, 20 * megabyte),
  table(101, 20 * megabyte),
  table(102, 500 * megabyte),
  table(103, 1000),
  table(104, 1000),
  table(106, 500 * megabyte, { loadInto: { schema: 'public', name: 'measurements' } }),
];

describe('post-data that need not wait for all rows', () => {
  const early = earlyEntries({ preData, postData }, tables);

  it('are indexes and keys of big tables, their foreign keys, and the keys that those point to', () => {
    expect(early.map(({ entry }) => entry.id)).toEqual([20, 21, 22, 30, 31]);
    expect(early.filter(({ isExclusive }) => !isExclusive).map(({ entry }) => entry.id)).toEqual([21]);
    const orders = early.find(({ entry }) => entry.id === 30);
    expect([[...(orders?.tables ?? [])], [...(orders?.after ?? [])]]).toEqual([[101, 102], [20]]);
  });

  it('come once, when the rows of all their tables are in and what they build on is made', async () => {
    const made: number[] = [];
    const jobs = new EarlyJobs(early, async (entry) => void made.push(entry.id));
    const run = async (
      list: readonly { run: (signal: AbortSignal, idle: number) => Promise<readonly unknown[]> }[],
    ) => {
      const next: unknown[] = [];
      for (const job of list) next.push(...(await job.run(new AbortController().signal, 0)));
      return next as typeof list;
    };
    expect(await run(jobs.rowsAreIn(101))).toEqual([]);
    expect(made).toEqual([20]);
    await run(await run(jobs.rowsAreIn(102)));
    expect(made).toEqual([20, 21, 30]);
    // What has not been made yet is left to whoever comes last.
    expect(postData.filter((entry) => !jobs.isMade(entry)).map(({ id }) => id)).toEqual([
      22, 23, 31, 32, 33, 34, 40, 41,
    ]);
    expect(jobs.rowsAreIn(104)).toEqual([]);
    const last = await run(jobs.rowsAreIn(103));
    expect(made).toEqual([20, 21, 30, 22]);
    expect(last).toHaveLength(1);
    await run(last);
    expect(made).toEqual([20, 21, 30, 22, 31]);
  });
});
