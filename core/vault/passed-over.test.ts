import { describe, expect, it } from 'vitest';
import { describePassedOver } from './passed-over.ts';

const points = (count: number, code: string) =>
  Array.from({ length: count }, (_, n) => ({ id: `${code}-${n}`, code }));

describe('points that were passed over', () => {
  it('come as a line for each code, with their ids up to five', () => {
    expect(describePassedOver([])).toEqual([]);
    expect(describePassedOver(points(1, 'A'))).toEqual(['newer recovery point A-0 was passed over: A']);
    expect(describePassedOver([...points(5, 'A'), ...points(6, 'B')])).toEqual([
      '5 newer recovery points were passed over: A (A-0, A-1, A-2, A-3, A-4)',
      '6 newer recovery points were passed over: B (B-0, B-1, B-2, B-3, B-4 and 1 more)',
    ]);
  });
});
