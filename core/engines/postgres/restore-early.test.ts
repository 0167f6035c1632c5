import { describe, expect, it } from 'vitest';
import { earlyEntries, EarlyJobs } from './restore-early.ts';
import type { TableItem } from './restore-items.ts';
import { tocEntry } from './testing/toc.ts';

const megabyte = 1024 ** 2;

const preData = [
  tocEntry(10, ['TABLE', 'public', 'orders'], { oid: 101 }),
  tocEntry(11, ['TABLE', 'public', 'items'], { oid: 102 }),
  tocEntry(12, ['TABLE', 'public', 'tenants'], { oid: 103 }),
  tocEntry(13, ['TABLE', 'public', 'small'], { oid: 104 }),
  tocEntry(14, ['TABLE', 'public', 'measurements'], { oid: 105 }),
  tocEntry(15, ['TABLE', 'public', 'measurements_1'], { oid: 106 }),
];
const postData = [
  tocEntry(20, ['CONSTRAINT', 'public', 'orders orders_pkey'], { dependsOn: [10] }),
  tocEntry(21, ['INDEX', 'public', 'items_note'], { dependsOn: [11, 11] }),
  tocEntry(22, ['CONSTRAINT', 'public', 'tenants tenants_pkey'], { dependsOn: [12] }),
  tocEntry(23, ['CONSTRAINT', 'public', 'small small_pkey'], { dependsOn: [13] }),
  tocEntry(30, ['FK CONSTRAINT', 'public', 'items items_order_fkey'], { dependsOn: [20, 10, 11] }),
  tocEntry(31, ['FK CONSTRAINT', 'public', 'orders orders_tenant_fkey'], { dependsOn: [22, 12, 10] }),
  tocEntry(32, ['FK CONSTRAINT', 'public', 'small small_tenant_fkey'], { dependsOn: [22, 12, 13] }),
  tocEntry(33, ['FK CONSTRAINT', 'public', 'items items_measurement_fkey'], { dependsOn: [14, 11] }),
  tocEntry(34, ['FK CONSTRAINT', 'public', 'orders orders_elsewhere_fkey'], { dependsOn: [10, 99] }),
  tocEntry(40, ['INDEX', 'public', 'measurements_1_at'], { dependsOn: [15] }),
  tocEntry(41, ['TRIGGER', 'public', 'items items_audit'], { dependsOn: [11] }),
];

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
