import { describe, expect, it } from 'vitest';
import { lostRegion } from './doctor-regions.ts';

describe('a Region in which nothing can be judged', () => {
  it('has one line whatever it answered, and none when it took the credentials', () => {
    const reason = 'no login';
    const lines = (['silent', 'none', 'refused'] as const).map((kind) =>
      lostRegion('us-west-2', { kind, reason }, 'us-east-1'),
    );
    expect(lines.map((found) => found.map(({ state, region, detail }) => [state, region, detail]))).toEqual([
      [['FAULT', 'us-west-2', 'us-west-2 does not answer; what needs it was not looked at']],
      [
        [
          'FAULT',
          'us-west-2',
          'no credentials for us-west-2, although us-east-1 got some (no login); what needs it was not looked at',
        ],
      ],
      [['FAULT', 'us-west-2', expect.stringContaining('us-west-2 refuses credentials that us-east-1 takes')]],
    ]);
    expect(lostRegion('us-east-1', { kind: 'account', account: '1', arn: 'x' }, 'us-east-1')).toEqual([]);
  });

  it('is told by the line about credentials alone where no Region got any', () => {
    expect(lostRegion('us-west-2', { kind: 'none', reason: 'no login' }, undefined)).toEqual([]);
  });
});
