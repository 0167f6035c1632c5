import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DrillReport, reportSchema } from './report.ts';
import { type ProcessWatch, watchProcesses } from './testing.ts';

const program = path.join(import.meta.dirname, 'main.ts');
let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-drill-test-'));
  // Servers that run as another user go in here too.
  fs.chmodSync(folder, 0o755);
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const contentChecks = ['row counts', 'foreign keys', 'sampled rows', 'canary', 'no order without a customer'];
const recoveryChecks = [
  'every point reported protected is whole in us-west-2',
  ...contentChecks,
  'every order total is the sum of its items',
  'no order is without items',
  'pgbench balances agree',
  'live orders end at one moment, without a gap',
  'the recovery did not need us-east-1',
];

/** The drill as a person starts it, on a small shop, with a temporary folder of its own. */
async function runDrill(
  options: readonly string[],
  onLine: (line: string, pid: number, watch: ProcessWatch) => void | Promise<void> = () => undefined,
) {
  const temporary = path.join(folder, 'tmp');
  const out = path.join(folder, 'out');
  fs.mkdirSync(temporary);
  const child = spawn(process.execPath, [program, '--scale', '0.01', '--json', '--out', out, ...options], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const watch = watchProcesses(child.pid ?? 0, temporary);
  child.stderr.on('data', (data: Buffer) => void onLine(data.toString(), child.pid ?? 0, watch));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  watch.stop();
  const written: unknown = JSON.parse(fs.readFileSync(path.join(out, 'report.json'), 'utf8'));
  expect(JSON.parse(stdout)).toEqual(written);
  return { code, stderr, watch, temporary, report: reportSchema.parse(written) };
}

/** Servers, tasks, Lambdas: enough to look for afterwards. Only Linux tells who listens. */
function isAtWork(watch: ProcessWatch): boolean {
  const { processes, listeners } = watch.seen();
  return processes > 10 && listeners >= (process.platform === 'linux' ? 3 : 0);
}

function expectNothingLeft({ watch, temporary }: Awaited<ReturnType<typeof runDrill>>): void {
  expect(isAtWork(watch), JSON.stringify(watch.seen())).toBe(true);
  expect(watch.running()).toEqual([]);
  expect(watch.listening()).toEqual([]);
  expect(fs.readdirSync(temporary)).toEqual([]);
}

const failed = ({ checks }: DrillReport) => checks.filter(({ ok }) => !ok).map(({ name }) => name);

// Two deployments by CloudFormation, on a machine that other tests share.
describe('npm run drill', { timeout: 240_000 }, () => {
  it('recovers in the other Region alone, reports it by the contract, and leaves nothing behind', async () => {
    const pin = path.join(import.meta.dirname, '../../examples/holdfast-drill.signing-key.pub.pem');
    fs.writeFileSync(pin, 'pinned for a sandbox that is gone');
    const drill = await runDrill([]);
    const { report, code } = drill;
    expect(fs.existsSync(pin)).toBe(false);
    expect([code, report.ok, report.failure], drill.stderr).toEqual([0, true, undefined]);
    expect(report.steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(report.steps.at(-1)).toMatchObject({ name: 'shut everything down', detail: 'no process left' });
    expect(report.checks.map(({ name }) => name)).toEqual([
      ...recoveryChecks,
      ...contentChecks.map((name) => `restore test: ${name}`),
      'restore test: it did not need us-east-1',
    ]);
    expect(failed(report)).toEqual([]);
    expect(report.checks.find(({ name }) => name === 'the recovery did not need us-east-1')?.detail).toMatch(
      /^no call was made to us-east-1; us-west-2 answered \d+ calls$/,
    );
    const { measured, lost, recoveryPoints } = report;
    expect(measured.rtoSeconds).toBeGreaterThan(0);
    expect(measured.rpoSeconds).toBeGreaterThan(0);
    expect(measured).toMatchObject({ rows: recoveryPoints[1]?.rows, bytes: recoveryPoints[1]?.bytes });
    expect(recoveryPoints.map(({ usedFor }) => usedFor)).toEqual(['restore test', 'restore']);
    expect(lost.acknowledged).toBeGreaterThan(0);
    expect(lost.missing).toBeLessThan(lost.acknowledged ?? 0);
    expectNothingLeft(drill);
  });

  it('fails and names each check that does not hold, and leaves nothing behind then either', async () => {
    const drill = await runDrill(['--sabotage', 'object,data,region', '--keep'], (line, pid) => {
      if (line.includes('Kept running until Ctrl-C')) process.kill(pid, 'SIGINT');
    });
    const { report, code, stderr } = drill;
    // What failed is kept too, to be looked at.
    expect(stderr).toMatch(/Kept running until Ctrl-C[^]*psql postgres:[^]*holdfast recovery-points --plan/);
    expect([code, report.ok, report.failure?.code], stderr).toEqual([1, false, 'CHECK_FAILED']);
    expect(failed(report)).toEqual(recoveryChecks);
    for (const name of recoveryChecks) expect(stderr).toContain(`✗ ${name}: `);
    // The damaged point was passed over: the other one was restored.
    expect(report.recoveryPoints.map(({ usedFor }) => usedFor)).toEqual(['restore', 'nothing']);
    expect(report.measured.rtoSeconds).toBeNull();
    expectNothingLeft(drill);
  });

  it('ends what it has begun when it is interrupted', async () => {
    const drill = await runDrill([], async (line, pid, watch) => {
      if (!line.includes('load a shop')) return;
      // The shop may be there before the local AWS is; the deployment is in the middle of its work once both are.
      await vi.waitUntil(() => isAtWork(watch), { timeout: 60_000 });
      process.kill(pid, 'SIGINT');
    });
    const { report, code } = drill;
    expect([code, report.ok, report.failure?.code]).toEqual([1, false, 'JOB_ABORTED']);
    expect(report.measured.rtoSeconds).toBeNull();
    expectNothingLeft(drill);
  });
});
