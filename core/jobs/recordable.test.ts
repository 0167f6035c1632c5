import { describe, expect, it } from 'vitest';
import { recordable } from './recordable.ts';

const fault = { object: 'INDEX public.a', message: 'x'.repeat(1000) };
const result = (count: number) => ({
  items: 1,
  rows: 1,
  seconds: 1,
  faults: Array.from({ length: count }, () => fault),
});

describe('the result of a restore in the record of its job', () => {
  it('stays as it is while it fits', () => {
    const whole = result(100);
    expect(recordable(whole)).toBe(whole);
  });

  it('holds the first faults of very many, and says how many there are more', () => {
    const record = recordable(result(1000));
    const kept = record.faults?.length ?? 0;
    expect(kept).toBeGreaterThan(100);
    expect(JSON.stringify(record).length).toBeLessThan(160_000);
    expect(record.warnings).toEqual([
      `${1000 - kept} more faults do not fit into the job's record: the log of its task names them all`,
    ]);
  });
});
