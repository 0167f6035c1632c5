import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { medianOf } from './rounds.ts';
import { type BenchReport, judge, publish, toMarkdown } from './report.ts';

const run = (seconds: number, peakMemoryBytes: number | null = 200e6) => ({
  seconds,
  cpuSeconds: 1,
  peakMemoryBytes,
  scratchBytes: 0,
});
const result = (flow: string, seconds: number, memory?: number) => {
  const runs = [run(seconds, memory)];
  return { flow, name: `${flow} | piped`, runs, median: medianOf(runs) };
};
const job = (name: string, ours: number, native: number, documented: number, memory?: number) => ({
  job: name,
  results: [result('ours', ours, memory), result('native', native), result('documented', documented)],
});
const report = (): BenchReport => ({
  at: '2026-11-21T00:00:00.000Z',
  machine: { cpu: '2 cores' },
  store: 'a folder',
  scale: 1,
  rounds: 1,
  dataset: { database: 'shop', textBytes: 100, tables: [{ name: 'a', rows: 1, textBytes: 63 }] },
  jobs: [job('backup of shop, 2 connections', 10, 11, 60)],
  memory: [],
  goals: judge([job('backup of shop, 2 connections', 10, 11, 60)], []),
});

describe('judge', () => {
  it('meets a ratio that is reached exactly and misses one just below', () => {
    const at = judge([job('backup of shop, 2 connections', 10, 11, 60)], []);
    const below = judge([job('backup of shop, 2 connections', 10, 10.9, 59.9)], []);
    expect(at.slice(0, 2).map(({ met }) => met)).toEqual([true, true]);
    expect(below.slice(0, 2).map(({ met }) => met)).toEqual([false, false]);
  });

  it('misses more than 300 MB, and memory that nobody could measure', () => {
    const met = (memory: number | undefined) =>
      judge([job('backup of shop, 2 connections', 1, 1, 1, memory)], []).find(({ what }) =>
        what.startsWith('memory'),
      )?.met;
    expect([met(300e6), met(301e6), met(0)]).toEqual([true, false, false]);
  });

  it('calls memory flat within a tenth', () => {
    const flat = (large: number) =>
      judge(
        [],
        [
          { textBytes: 2e8, backup: run(1, 100), restore: run(1, 100) },
          { textBytes: 4e9, backup: run(1, large), restore: run(1, 100) },
        ],
      )[0]?.met;
    expect([flat(110), flat(111)]).toEqual([true, false]);
    const goals = judge(
      [],
      [0.2e9, 1e9, 4e9, 10e9].map((textBytes, index) => ({
        textBytes,
        backup: run(1, 100 + 10 * index),
        restore: run(1, 100),
      })),
    );
    expect(goals.map(({ what, met }) => [what.replace('memory of the ', ''), met])).toEqual([
      ['backup from 0.2 to 4 GB', false],
      ['restore from 0.2 to 4 GB', true],
      ['backup from 1 to 10 GB', false],
      ['restore from 1 to 10 GB', true],
    ]);
  });
});

describe('publish', () => {
  it('replaces what stands between the marks and nothing else', () => {
    const page = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bench-')), 'page.md');
    fs.writeFileSync(
      page,
      'before\n<!-- figures: npm run bench -- --docs writes them -->\nstale\n<!-- end of the figures -->\nafter\n',
    );
    publish(report(), page);
    publish(report(), page);
    const text = fs.readFileSync(page, 'utf8');
    fs.rmSync(path.dirname(page), { recursive: true });
    expect(text).toMatch(/^before\n/);
    expect(text).toMatch(/\nafter\n$/);
    expect(text).not.toContain('stale');
    expect(text.match(/Backup of shop/g)).toHaveLength(1);
  });
});

describe('toMarkdown', () => {
  it('keeps a pipe inside its cell and says how much faster', () => {
    const text = toMarkdown(report());
    expect(text).toContain('documented \\| piped');
    expect(text).toContain('6.00 × as fast');
    expect(text).toContain('63 % of it in one');
  });
});
