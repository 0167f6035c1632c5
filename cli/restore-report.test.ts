import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../core/errors.ts';
import { describeRestored, stoppedRestore } from './restore-report.ts';

const held = { name: 'row counts', ok: true, detail: '3 of 3 tables' };
const broken = { name: 'foreign keys', ok: false, detail: '1 orphan' };
const fault = { object: 'view public.totals', message: 'function pg_catalog.old() does not exist' };
const nextOf = (...given: Parameters<typeof describeRestored>) =>
  describeRestored(...given).filter((line) => line.includes('next: '));

describe('the next step after a restore', () => {
  it('points the applications at it when every check held and nothing is at fault', () => {
    expect(nextOf({ checks: [held], faults: [] }, { kind: 'restore' })).toEqual([
      expect.stringContaining('next: point the applications at it'),
    ]);
  });

  it('looks at the faults first, although every check held or none was made', () => {
    for (const checks of [[held], []])
      expect(nextOf({ checks, faults: [fault] }, { kind: 'restore' })).toEqual([
        expect.stringContaining('next: look at the faults first'),
      ]);
  });

  it('asks why a check failed before anything else', () => {
    for (const faults of [[], [fault]])
      expect(nextOf({ checks: [held, broken], faults }, { kind: 'restore' })).toEqual([
        expect.stringContaining('next: do not point applications at it'),
      ]);
  });

  it('points no application at single tables', () => {
    const tables = ['public.orders'];
    expect(nextOf({ checks: [held], faults: [] }, { kind: 'restore', tables })).toEqual([
      expect.stringContaining('next: copy from these tables'),
    ]);
    expect(nextOf({ checks: [held], faults: [fault] }, { kind: 'restore', tables })).toEqual([
      expect.stringContaining('next: look at the faults first, then copy from these tables'),
    ]);
  });

  it('is none where nothing was restored, or only for a test', () => {
    expect(nextOf({}, { kind: 'restore' })).toEqual([]);
    expect(nextOf({ checks: [held], faults: [fault] }, { kind: 'restore-test' })).toEqual([]);
  });
});

describe('how far the data reaches', () => {
  const at = '2026-11-02T12:00:00.000Z';
  const first = (found: Parameters<typeof describeRestored>[0]) =>
    describeRestored(found, { kind: 'restore' })[0];

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
  const lines = (code: string) =>
    describeRestored({ faults: [fault] }, { kind: 'restore', errorCode: code }).join('\n');

  it('promises nothing about rows, and no next step, when rows are missing', () => {
    expect(lines('ROWS_NOT_RESTORED')).toContain('not restored whole: 1 object is not as in the source');
    expect(lines('ROWS_NOT_RESTORED')).not.toMatch(/every row is in|next: /);
  });

  it('says that every row is in when only --strict failed it', () => {
    expect(lines('RESTORED_WITH_FAULTS')).toContain('every row is in, and 1 object is');
  });
});

describe('a check that had nothing to look at', () => {
  it('is not called held', () => {
    const none = { name: 'foreign keys', ok: true, detail: 'none' };
    const lines = describeRestored({ checks: [held, none] }, { kind: 'restore' });
    expect(lines.slice(0, 2)).toEqual([
      '  held: row counts (3 of 3 tables)',
      '  nothing to check: foreign keys',
    ]);
  });
});

describe('a restore that was stopped', () => {
  it('leaves a target that may be half filled', () => {
    const stopped = new HoldfastError('JOB_ABORTED', 'stopped by SIGINT');
    expect(stoppedRestore(stopped, undefined)).toMatchObject({
      code: 'JOB_ABORTED',
      message: 'stopped by SIGINT',
      hint: 'the target may be half filled: drop it and begin with an empty one',
    });
    expect(stoppedRestore(stopped, ['public.orders'])).toMatchObject({
      hint: expect.stringMatching(/^the tables may be half filled: drop them/),
    });
    const other = new HoldfastError('CHECK_FAILED', 'x');
    expect(stoppedRestore(other, undefined)).toBe(other);
  });
});
