import { FailFast } from './fail-fast.ts';

/** One piece of work. */
export interface LaneJob {
  /** Gives back what its end made possible, which goes before everything that waits. `idleLanes`: those for which there is no job. */
  readonly run: (signal: AbortSignal, idleLanes: number) => Promise<readonly LaneJob[]>;
  /** Jobs of one group get in each other's way: while one runs, others go first. */
  readonly group?: number;
  /** What the job locks; it never runs beside another that locks some of the same, if one of them does so alone. */
  readonly locks?: Locks;
}

export interface Locks {
  readonly tables: ReadonlySet<number>;
  readonly isExclusive: boolean;
}

export interface LaneOptions {
  /** Jobs at a time, at least 1. */
  readonly lanes: number;
  readonly signal: AbortSignal;
  readonly abortedError: () => Error;
}

/**
 * Runs jobs side by side, the first of the list first, but for those whose group is at work or whose locks are taken. The
 * first failure stops the others, is waited for and thrown.
 */
export async function runInLanes(jobs: readonly LaneJob[], options: LaneOptions): Promise<void> {
  const scope = new FailFast(options.signal, options.abortedError);
  const waiting = [...jobs];
  const running = new Set<LaneJob>();
  const mayRun = ({ locks }: LaneJob) =>
    locks === undefined || ![...running].some((other) => areLocked(locks, other.locks));
  const isFree = ({ group }: LaneJob) =>
    group === undefined || ![...running].some((other) => other.group === group);
  const next = () => {
    const best = waiting.findIndex((job) => isFree(job) && mayRun(job));
    const index = best === -1 ? waiting.findIndex(mayRun) : best;
    return index === -1 ? undefined : waiting.splice(index, 1)[0];
  };
  const lanes = Math.max(1, options.lanes);
  const countIdle = () => {
    let idle = lanes - running.size;
    // Of many thousand jobs, only as many are looked at as there are lanes.
    for (const job of waiting) {
      if (idle === 0) break;
      if (mayRun(job)) idle -= 1;
    }
    return idle;
  };
  const fill = () => {
    while (running.size < lanes && !scope.signal.aborted) {
      const job = next();
      if (job === undefined) return;
      running.add(job);
      const idleLanes = countIdle();
      scope.run(async () => {
        waiting.unshift(...(await job.run(scope.signal, idleLanes)));
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

function areLocked(a: Locks, b: Locks | undefined): boolean {
  if (b === undefined) return false;
  return (a.isExclusive || b.isExclusive) && [...a.tables].some((table) => b.tables.has(table));
}
