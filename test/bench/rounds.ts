import type { Measurement } from './measure.ts';

export interface Result {
  readonly flow: string;
  readonly name: string;
  readonly runs: readonly Measurement[];
  readonly median: Measurement;
}

/** Median of each figure on its own; of an even number the lower middle, so that every figure was really measured. */
export function medianOf(runs: readonly Measurement[]): Measurement {
  const middle = (pick: (run: Measurement) => number | null): number => {
    const values = runs.map((run) => pick(run) ?? 0).sort((a, b) => a - b);
    return values[Math.floor((values.length - 1) / 2)] ?? 0;
  };
  return {
    seconds: middle((run) => run.seconds),
    cpuSeconds: middle((run) => run.cpuSeconds),
    peakMemoryBytes: runs.some((run) => run.peakMemoryBytes === null)
      ? null
      : middle((run) => run.peakMemoryBytes),
    scratchBytes: middle((run) => run.scratchBytes),
  };
}

/**
 * How many times faster ours is, as the median of the ratios within each round: what else the machine did in that round
 * slowed both.
 */
export function speedup(ours: Result, peer: Result): number {
  const ratios = ours.runs.map((run, i) => (peer.runs[i]?.seconds ?? 0) / run.seconds).sort((a, b) => a - b);
  return ratios[Math.floor((ratios.length - 1) / 2)] ?? 0;
}

/** Who begins changes with every round, so that nobody always finds the caches warm. */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const start = round % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
