import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderReport, verdict } from './page.ts';
import { type DrillReport, sandboxLimits } from './report.ts';
import { bytesInWords, inWords } from './words.ts';
import { writeReport } from './write-report.ts';

const passed: DrillReport = {
  ok: true,
  startedAt: '2026-11-21T08:00:00.000Z',
  seconds: 100,
  regions: { primary: 'us-east-1', standby: 'us-west-2' },
  steps: [{ name: 'back up', ok: true, seconds: 20, detail: '100 rows', startSeconds: 10, where: 'primary' }],
  objectives: { rpoSeconds: 3600, rtoSeconds: 14_400 },
  measured: { rpoSeconds: 8, rtoSeconds: 41, rows: 100, bytes: 2_000, storedBytes: 500 },
  lost: { acknowledged: 500, missing: 12 },
  checks: [{ name: 'orders', ok: true, detail: 'holds' }],
  source: { id: 'shop-db', description: 'A shop', bytes: 1_000_000 },
  moments: { disaster: 50, newestCanary: 42, validated: 91 },
  recovery: [{ name: 'restore', seconds: 30 }],
  recoveryPointId: '01M7YM6ZDY174FCZJ8B8JVR9VX',
  notShown: sandboxLimits,
  notMeasured: [],
  problem: null,
};

describe('inWords', () => {
  it.each([
    [0.84, '0.8 s'],
    [9.99, '10 s'],
    [119, '119 s'],
    [120, '2 min'],
    [7_199, '120 min'],
    [7_200, '2 h'],
    [172_800, '2 days'],
  ])('says %d s as %s', (seconds, text) => {
    expect(inWords(seconds)).toBe(text);
  });
});

describe('bytesInWords', () => {
  it.each([
    [999, '999 bytes'],
    [1_000, '1 kB'],
    [258_873_023, '258.9 MB'],
  ])('says %d bytes as %s', (bytes, text) => {
    expect(bytesInWords(bytes)).toBe(text);
  });
});

describe('renderReport', () => {
  it('says first what was promised and what was measured', () => {
    expect(verdict(passed)).toBe(
      'Recovered in 41 s of the 4 h promised; 8 s of data lost, at most 60 min promised.',
    );
    expect(renderReport(passed)).toContain(verdict(passed));
  });

  it('never calls a drill recovered that did not get there, and shows why', () => {
    const failed: DrillReport = {
      ...passed,
      ok: false,
      measured: { rpoSeconds: null, rtoSeconds: null, rows: null, bytes: null, storedBytes: null },
      problem: { code: 'OBJECT_CORRUPT', message: 'object x differs', hint: 'look at x' },
    };
    const page = renderReport(failed);
    expect(page).toContain('Drill failed');
    expect(page).not.toContain('Recovered in');
    expect(page).toContain('OBJECT_CORRUPT');
    expect(page).toContain('look at x');
  });

  it('turns no name into markup and asks no network', () => {
    const nasty = '<script>alert("x")</script>&\'';
    const page = renderReport({
      ...passed,
      steps: [{ ...passed.steps[0]!, name: nasty, detail: nasty }],
      checks: [{ name: nasty, ok: false, detail: nasty }],
      source: { ...passed.source, id: nasty, description: nasty },
    });
    expect(page).not.toContain('<script');
    expect(page).not.toMatch(/https?:|src=|@import|url\(/);
  });
});

describe('writeReport', () => {
  it('writes both files, and refuses a report that breaks the contract', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-report-'));
    const files = await writeReport(folder, passed);
    expect(JSON.parse(fs.readFileSync(files.json, 'utf8'))).toEqual(passed);
    expect(fs.readFileSync(files.html, 'utf8')).toContain('</html>');
    await expect(writeReport(folder, { ...passed, seconds: -1 })).rejects.toMatchObject({ name: 'ZodError' });
    fs.rmSync(folder, { recursive: true });
  });
});
