import { FailFast } from './fail-fast.ts';

/** One piece of work. */
export interface LaneJob {
  /** Gives back what its end made possible, which goes before everything that waits. */
  readonly run: (signal: AbortSignal) => Promise<readonly LaneJob[]>;
  /** Jobs of one group get in each other's way: while one runs, others go first. */
  readonly group?: number;
}

export interface LaneOptions {
  /** Jobs at a time, at least 1. */
  readonly lanes: number;
  readonly signal: AbortSignal;
  readonly abortedError: () => Error;
}

/** Runs jobs side by side, the first of the list first, but for those whose group is at work. The first failure stops the others, is waited for and thrown. */
export async function runInLanes(jobs: readonly LaneJob[], options: LaneOptions): Promise<void> {
  const scope = new FailFast(options.signal, options.abortedError);
  const waiting = [...jobs];
  const running = new Set<LaneJob>();
  const isFree = ({ group }: LaneJob) =>
    group === undefined || ![...running].some((other) => other.group === group);
  const fill = () => {
    while (running.size < Math.max(1, options.lanes) && !scope.signal.aborted) {
      const [job] = waiting.splice(Math.max(0, waiting.findIndex(isFree)), 1);
      if (job === undefined) return;
      running.add(job);
      scope.run(async () => {
        waiting.unshift(...(await job.run(scope.signal)));
        running.delete(job);
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
