import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type LaneJob, runInLanes } from './lanes.ts';

const endless = new AbortController().signal;
const options = { signal: endless, abortedError: () => new Error('stopped') };

describe('lanes', () => {
  it('runs as many jobs at a time as there are lanes, and no more', async () => {
    let running = 0;
    let most = 0;
    const job = async () => {
      most = Math.max(most, (running += 1));
      await sleep(5);
      running -= 1;
      return [];
    };
    const jobs = Array.from({ length: 7 }, () => ({ run: job }));
    await runInLanes(jobs, { ...options, lanes: 3 });
    expect(most).toBe(3);
  });

  it('puts what a job made possible before what waits, and wakes lanes that had run dry', async () => {
    const done: string[] = [];
    const job = (name: string, ms: number, next: readonly LaneJob[] = []): LaneJob => ({
      run: async () => {
        await sleep(ms);
        done.push(name);
        return next;
      },
    });
    await runInLanes([job('first', 0, [job('after first', 0)]), job('second', 0), job('third', 0)], {
      ...options,
      lanes: 1,
    });
    expect(done).toEqual(['first', 'after first', 'second', 'third']);
    let together = 0;
    let most = 0;
    const index = async () => {
      most = Math.max(most, (together += 1));
      await sleep(20);
      together -= 1;
      return [];
    };
    const after = [{ run: index }, { run: index }];
    await runInLanes([job('short', 0), job('long', 30, after)], { ...options, lanes: 2 });
    expect(most).toBe(2);
  });

  it('keeps jobs of one group apart while there is other work, and only then', async () => {
    const running: string[] = [];
    const seen: string[] = [];
    const job = (name: string, group?: number): LaneJob => ({
      ...(group === undefined ? {} : { group }),
      run: async () => {
        running.push(name);
        seen.push(running.toSorted().join('+'));
        await sleep(10);
        running.splice(running.indexOf(name), 1);
        return [];
      },
    });
    await runInLanes([job('a1', 1), job('a2', 1), job('a3', 1), job('b1', 2), job('c')], {
      ...options,
      lanes: 2,
    });
    expect(seen.slice(0, 2)).toEqual(['a1', 'a1+b1']);
    expect(seen.findIndex((names) => /a\d\+a/.test(names))).toBe(-1);
    seen.length = 0;
    await runInLanes([job('a1', 1), job('a2', 1)], { ...options, lanes: 2 });
    expect(seen).toEqual(['a1', 'a1+a2']);
  });

  it('never runs a job beside another that locks the same tables, if one of them does so alone', async () => {
    const running: string[] = [];
    const seen = new Set<string>();
    const job = (name: string, tables: readonly number[], isExclusive: boolean): LaneJob => ({
      locks: { tables: new Set(tables), isExclusive },
      run: async () => {
        running.push(name);
        seen.add(running.toSorted().join('+'));
        await sleep(10);
        running.splice(running.indexOf(name), 1);
        return [];
      },
    });
    await runInLanes(
      [
        job('index1', [1], false),
        job('index2', [1], false),
        job('key1', [1], true),
        job('foreign12', [1, 2], true),
        job('foreign23', [2, 3], true),
        job('key4', [4], true),
      ],
      { ...options, lanes: 2 },
    );
    expect(seen).toContain('index1+index2');
    expect([...seen].flatMap((names) => names.split('+')).includes('foreign12')).toBe(true);
    const together = [...seen].filter((names) => names.includes('+'));
    expect(together.filter((names) => /key1.*1|foreign12.*(?:index|key1|foreign23)/.test(names))).toEqual([]);
    // Waiting for locks leaves nobody idle who could do something else.
    expect(together.some((names) => names.includes('key4') || names.includes('foreign23'))).toBe(true);
  });

  it('tells each job how many lanes have nothing to do', async () => {
    const idle: number[] = [];
    const job = (next: readonly LaneJob[] = []): LaneJob => ({
      run: async (_signal, idleLanes) => {
        idle.push(idleLanes);
        await sleep(5);
        return next;
      },
    });
    await runInLanes([job(), job(), job(), job(), job([job()])], { ...options, lanes: 4 });
    expect(idle).toEqual([0, 0, 0, 0, expect.any(Number), 3]);
    expect(idle[4]).toBeLessThan(4);
  });

  it('stops the others at the first failure, starts nothing more and throws that failure', async () => {
    const started: string[] = [];
    let stopped = false;
    const broken: LaneJob = {
      run: async () => {
        await sleep(5);
        throw new Error('broken');
      },
    };
    const waiting: LaneJob = {
      run: async (signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        stopped = true;
        throw new Error('told to stop');
      },
    };
    const late: LaneJob = {
      run: async () => {
        started.push('late');
        return [];
      },
    };
    await expect(runInLanes([broken, waiting, late], { ...options, lanes: 2 })).rejects.toThrow('broken');
    expect(stopped).toBe(true);
    expect(started).toEqual([]);
  });

  it('ends when it is told to', async () => {
    const outer = new AbortController();
    const stop = async (signal: AbortSignal) => {
      outer.abort();
      expect(signal.aborted).toBe(true);
      return [];
    };
    await expect(
      runInLanes([{ run: stop }, { run: stop }], { ...options, signal: outer.signal, lanes: 1 }),
    ).rejects.toThrow('stopped');
  });
});
