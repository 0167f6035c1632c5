import { describe, expect, it } from 'vitest';
import { describeRestored } from './restore-report.ts';

const held = { name: 'row counts', ok: true, detail: '3 of 3 tables' };
const broken = { name: 'foreign keys', ok: false, detail: '1 orphan' };
const fault = { object: 'view public.totals', message: 'function pg_catalog.old() does not exist' };
const nextOf = (...given: Parameters<typeof describeRestored>) =>
  describeRestored(...given).filter((line) => line.includes('next: '));

describe('the next step after a restore', () => {
  it('points the applications at it when every check held and nothing is at fault', () => {
    expect(nextOf({ checks: [held], faults: [] }, 'restore')).toEqual([
      expect.stringContaining('next: point the applications at it'),
    ]);
  });

  it('looks at the faults first, although every check held or none was made', () => {
    for (const checks of [[held], []])
      expect(nextOf({ checks, faults: [fault] }, 'restore')).toEqual([
        expect.stringContaining('next: look at the faults first'),
      ]);
  });

  it('asks why a check failed before anything else', () => {
    for (const faults of [[], [fault]])
      expect(nextOf({ checks: [held, broken], faults }, 'restore')).toEqual([
        expect.stringContaining('next: do not point applications at it'),
      ]);
  });

  it('is none where nothing was restored, or only for a test', () => {
    expect(nextOf({}, 'restore')).toEqual([]);
    expect(nextOf({ checks: [held], faults: [fault] }, 'restore-test')).toEqual([]);
  });
});

describe('how far the data reaches', () => {
  const at = '2026-11-02T12:00:00.000Z';
  const first = (found: Parameters<typeof describeRestored>[0]) => describeRestored(found, 'restore')[0];

  it('counts to the order by a canary, and does not call that the loss of a disaster', () => {
    expect(first({ recoveredTo: { at, by: 'canary' }, measuredRpoSeconds: 90 })).toBe(
      `  the data reaches to ${at}, by its newest genuine canary: 1 min 30 s before this was ordered (the measured RPO); after a disaster the loss is from then to the fault`,
    );
  });

  it('measures nothing by a snapshot', () => {
    expect(first({ recoveredTo: { at, by: 'snapshot' } })).toBe(
      `  the data reaches to ${at}, when its snapshot was taken; no canary tells it more exactly`,
    );
  });
});

describe('a restore that failed with faults', () => {
  const lines = (code: string) => describeRestored({ faults: [fault] }, 'restore', code).join('\n');

  it('promises nothing about rows, and no next step, when rows are missing', () => {
    expect(lines('ROWS_NOT_RESTORED')).toContain('not restored whole: 1 object is not as in the source');
    expect(lines('ROWS_NOT_RESTORED')).not.toMatch(/every row is in|next: /);
  });

  it('says that every row is in when only --strict failed it', () => {
    expect(lines('RESTORED_WITH_FAULTS')).toContain('every row is in, and 1 object is');
  });
});
