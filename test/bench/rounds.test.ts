import { describe, expect, it } from 'vitest';
import { medianOf, rotated, speedup } from './rounds.ts';

const run = (seconds: number, memory: number | null = 10) => ({
  seconds,
  cpuSeconds: seconds * 2,
  peakMemoryBytes: memory,
  scratchBytes: 0,
});
const result = (...seconds: number[]) => {
  const runs = seconds.map((s) => run(s));
  return { flow: 'x', name: 'x', runs, median: medianOf(runs) };
};

describe('medianOf', () => {
  it('takes the middle, of an even number the lower one, whatever the order', () => {
    expect(medianOf([run(9), run(1), run(3)]).seconds).toBe(3);
    expect(medianOf([run(9), run(1), run(3), run(4)]).seconds).toBe(3);
  });

  it('knows no memory when one run knows none', () => {
    expect(medianOf([run(1), run(1, null)]).peakMemoryBytes).toBeNull();
    expect(medianOf([run(1, 5), run(1, 7)]).peakMemoryBytes).toBe(5);
  });
});

describe('speedup', () => {
  it('compares within rounds, so that a slow round counts for both', () => {
    expect(speedup(result(1, 10, 2), result(2, 20, 4))).toBe(2);
    expect(speedup(result(2), result(1))).toBe(0.5);
  });
});

describe('rotated', () => {
  it('lets each begin in turn and loses none', () => {
    expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ]);
  });
});
