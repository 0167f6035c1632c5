import { describe, expect, it } from 'vitest';
import type { CallCount } from '../../router/call-ledger.ts';
import { judge } from './without-lost-region.ts';

const regions = { lost: 'us-east-1', standby: 'us-west-2' };
const call = (change: Partial<CallCount>): CallCount => ({
  region: 'us-west-2',
  service: 's3',
  operation: 'HeadObject',
  caller: 'task',
  outcome: 'answered',
  count: 12,
  ...change,
});

describe('judge', () => {
  it('holds when nobody called the lost Region', () => {
    expect(judge([call({})], regions)).toEqual({
      ok: true,
      detail: 'no call was made to us-east-1; us-west-2 answered 12 calls',
    });
  });

  it('holds, and says whose calls they were, when all were refused', () => {
    const refused = call({ region: 'us-east-1', outcome: 'refused', caller: 'sandbox', count: 2 });
    expect(judge([call({}), refused], regions)).toEqual({
      ok: true,
      detail:
        '2 calls to us-east-1 were refused and none was needed: a holdfast command (s3 HeadObject, 2 ×); us-west-2 answered 12 calls',
    });
  });

  it.each(['answered', 'cutOff'] as const)('fails when one call was %s by the lost Region', (outcome) => {
    const reached = call({ region: 'us-east-1', outcome, caller: 'function', count: 1 });
    expect(judge([call({}), reached], regions)).toEqual({
      ok: false,
      detail: 'us-east-1 was reached by a Lambda function (s3 HeadObject, 1 ×); us-west-2 answered 12 calls',
    });
  });

  it('fails when nothing was counted at all: that proves nothing', () => {
    expect(judge([], regions).ok).toBe(false);
    expect(judge([call({ outcome: 'refused' })], regions).ok).toBe(false);
  });
});
