import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type LaneJob, runInLanes } from './lanes.ts';

const endless = new AbortController().signal;
const options = { signal: endless, abortedError: () => new Error('stopped') };

describe('lanes', () => {
  it('runs as many jobs at a time as there are lanes, and no more', async () => {
    let running = 0;
    let most = 0;
    const job: LaneJob = async () => {
      most = Math.max(most, (running += 1));
      await sleep(5);
      running -= 1;
      return [];
    };
    await runInLanes(Array<LaneJob>(7).fill(job), { ...options, lanes: 3 });
    expect(most).toBe(3);
  });

  it('puts what a job made possible before what waits, and wakes lanes that had run dry', async () => {
    const done: string[] = [];
    const job =
      (name: string, ms: number, next: readonly LaneJob[] = []): LaneJob =>
      async () => {
        await sleep(ms);
        done.push(name);
        return next;
      };
    await runInLanes([job('first', 0, [job('after first', 0)]), job('second', 0), job('third', 0)], {
      ...options,
      lanes: 1,
    });
    expect(done).toEqual(['first', 'after first', 'second', 'third']);
    let together = 0;
    let most = 0;
    const index: LaneJob = async () => {
      most = Math.max(most, (together += 1));
      await sleep(20);
      together -= 1;
      return [];
    };
    await runInLanes([job('short', 0), job('long', 30, [index, index])], { ...options, lanes: 2 });
    expect(most).toBe(2);
  });

  it('stops the others at the first failure, starts nothing more and throws that failure', async () => {
    const started: string[] = [];
    let stopped = false;
    const broken: LaneJob = async () => {
      await sleep(5);
      throw new Error('broken');
    };
    const waiting: LaneJob = async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      stopped = true;
      throw new Error('told to stop');
    };
    const late: LaneJob = async () => {
      started.push('late');
      return [];
    };
    await expect(runInLanes([broken, waiting, late], { ...options, lanes: 2 })).rejects.toThrow('broken');
    expect(stopped).toBe(true);
    expect(started).toEqual([]);
  });

  it('ends when it is told to', async () => {
    const outer = new AbortController();
    const job: LaneJob = async (signal) => {
      outer.abort();
      expect(signal.aborted).toBe(true);
      return [];
    };
    await expect(runInLanes([job, job], { ...options, signal: outer.signal, lanes: 1 })).rejects.toThrow(
      'stopped',
    );
  });
});
