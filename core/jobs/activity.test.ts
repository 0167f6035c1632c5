import { describe, expect, it } from 'vitest';
import type { JobProgress } from '../catalog/job.ts';
import { describeActivity, isMovingRows } from './activity.ts';

describe('describeActivity', () => {
  const progress = (change: Partial<JobProgress>): JobProgress => ({
    itemsDone: 0,
    itemsTotal: 9,
    rows: 0,
    bytes: 0,
    storedBytes: 0,
    bytesPerSecond: 0,
    fraction: 0,
    current: [],
    at: '2026-11-02T12:00:00.000Z',
    ...change,
  });

  it('never speaks of a copy while something is restored', () => {
    for (const kind of ['restore', 'restore-test'] as const) {
      const said = [0, 0.5, 1].flatMap((fraction) =>
        (['check objects', 'restore', 'check data', undefined] as const).map((step) =>
          describeActivity(kind, progress({ fraction, ...(step && { step }) })),
        ),
      );
      expect(said.filter((line) => /stored;|copy|Region/.test(line))).toEqual([]);
      expect(new Set(said).size).toBe(4);
    }
  });

  it('says what each step is, and shows rows only while rows move', () => {
    expect(describeActivity('restore', undefined)).toBe('the task is starting');
    expect(describeActivity('restore', progress({ step: 'check data', fraction: 1 }))).toBe(
      'checking the restored data',
    );
    expect(describeActivity('backup', progress({ step: 'back up', fraction: 1 }))).toContain('the copy');
    expect(isMovingRows(progress({ step: 'restore', fraction: 0.99 }))).toBe(true);
    expect(isMovingRows(progress({ step: 'restore', fraction: 1 }))).toBe(false);
    expect(isMovingRows(progress({ step: 'check data', fraction: 0.5 }))).toBe(false);
  });
});
