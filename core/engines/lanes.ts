import { FailFast } from './fail-fast.ts';

/** One piece of work; gives back what its end made possible, which goes before everything that waits. */
export type LaneJob = (signal: AbortSignal) => Promise<readonly LaneJob[]>;

export interface LaneOptions {
  /** Jobs at a time, at least 1. */
  readonly lanes: number;
  readonly signal: AbortSignal;
  readonly abortedError: () => Error;
}

/** Runs jobs side by side, the first of the list first. The first failure stops the others, is waited for and thrown. */
export async function runInLanes(jobs: readonly LaneJob[], options: LaneOptions): Promise<void> {
  const scope = new FailFast(options.signal, options.abortedError);
  const waiting = [...jobs];
  let running = 0;
  const fill = () => {
    while (running < Math.max(1, options.lanes) && !scope.signal.aborted) {
      const job = waiting.shift();
      if (job === undefined) return;
      running += 1;
      scope.run(async () => {
        waiting.unshift(...(await job(scope.signal)));
        running -= 1;
        fill();
      });
    }
  };
  fill();
  try {
    await scope.settle();
  } finally {
    scope.close();
  }
}
