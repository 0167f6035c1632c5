import { describe, expect, it } from 'vitest';
import { recordable } from './recordable.ts';

const base = { items: 1, rows: 1, seconds: 1 };
const many = <T>(entry: T, count = 1000) => Array.from({ length: count }, () => entry);
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
/** Three bytes a character. */
const long = '€'.repeat(300);
const fault = { object: 'INDEX public.a', message: long };
const held = { name: 'check', ok: true, detail: long };
const more = (count: number, what: string) =>
  `${count} more ${what} do not fit into the job's record: the log of its task names them all`;

describe('the result of a restore in the record of its job', () => {
  it('stays as it is while it fits', () => {
    const whole = { ...base, faults: many(fault, 100), checks: [held], notChecked: ['a'], warnings: ['b'] };
    expect(recordable(whole)).toBe(whole);
    expect(recordable(base)).toBe(base);
  });

  it('stays below what DynamoDB and Step Functions take whichever list is long, counted in bytes', () => {
    const result = {
      ...base,
      faults: many(fault),
      checks: many(held),
      notChecked: many(long),
      warnings: many(long),
    };
    const record = recordable(result);
    expect(bytesOf(record)).toBeLessThan(240_000);
    const [faults, checks, notChecked] = [
      record.faults!.length,
      record.checks!.length,
      record.notChecked!.length,
    ];
    const warnings = record.warnings!.length - 4;
    for (const kept of [faults, checks, notChecked, warnings]) expect(kept).toBeGreaterThan(20);
    expect(record.warnings!.slice(-4)).toEqual([
      more(1000 - faults, 'faults'),
      more(1000 - checks, 'checks'),
      more(1000 - notChecked, 'things that were not checked'),
      more(1000 - warnings, 'warnings'),
    ]);
  });

  it('keeps a failed check whatever held before it', () => {
    const failed = { name: 'last', ok: false, detail: 'does not hold' };
    expect(recordable({ ...base, checks: [...many(held), failed] }).checks?.[0]).toEqual(failed);
  });

  it('cuts one text that alone is too long between two characters', () => {
    const { faults } = recordable({
      ...base,
      faults: [{ object: 'VIEW v', message: `a${'€'.repeat(200_000)}` }],
    });
    expect(faults?.[0]?.message).toBe(`a${'€'.repeat(2666)}… (600001 bytes)`);
  });
});
