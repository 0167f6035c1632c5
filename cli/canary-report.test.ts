import { describe, expect, it } from 'vitest';
import { reportStatus } from './canary-report.ts';

const now = new Date('2026-11-02T12:00:00.000Z');

describe('canary status', () => {
  const of = (ageSeconds: number) => {
    const writtenAt = new Date(now.getTime() - ageSeconds * 1000);
    const row = { seq: 1, writtenAt, signature: 'x' };
    const status = { schema: 'holdfast', newest: { ...row, verdict: 'valid' as const }, newestGenuine: row };
    return reportStatus({ status, everySeconds: 60, now });
  };

  it('is well up to three intervals and as far ahead as clocks differ', () => {
    for (const age of [180, 0, -10]) expect(of(age)).toMatchObject({ exitCode: 0, json: { ok: true } });
    expect(of(-10).text).toContain(', 0 s ago');
    expect(of(180.001)).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('FAULT: the newest row is'),
    });
  });

  it('says of a row of a time that has not come that it is dated ahead', () => {
    for (const age of [-10.001, -3600]) {
      const { exitCode, json, text } = of(age);
      expect([exitCode, json]).toMatchObject([1, { ok: false, ageSeconds: age }]);
      expect(text).toMatch(/FAULT: the newest genuine row is dated ahead by /);
      expect(text).not.toContain('a backup taken now would reach');
    }
  });
});
