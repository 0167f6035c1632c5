import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startFaultyProxy } from '../../core/vault/testing/faulty-proxy.ts';
import { type Deployment, until } from './deployment.ts';
import {
  alarmState,
  attemptsOf,
  contentNow,
  disturb,
  expectNoPoint,
  expectPoints,
  folderOf,
  isGreen,
  slowDown,
  underWay,
} from './disturb.ts';

/** Whole backups over vaults, networks and schedules that are not what they should be. */
export function describeDisturbances(deployed: () => Deployment): void {
  it('goes on where it was after the vault reset every connection for 30 s', async () => {
    const done = deployed().backUp('cut-db');
    await underWay(deployed(), 'cut-db');
    const cut = disturb(deployed(), {
      path: folderOf('cut-db'),
      effect: 'reset',
      until: Date.now() + 30_000,
    });
    const { status, job } = await done;
    expect([status, job?.state]).toEqual(['SUCCEEDED', 'completed']);
    expect(cut.hits()).toBeGreaterThan(3);
    expect(await alarmState(deployed(), 'backup-failed', 'cut-db')).not.toBe('ALARM');
    // No second attempt: that one would have written below an id of its own.
    expect(await attemptsOf(deployed(), 'cut-db')).toEqual([job?.recoveryPointId]);
    await expectPoints(deployed(), 'cut-db', [
      [job?.recoveryPointId, await contentNow(deployed(), 'cut-db')],
    ]);
  });

  it('fails, rings and shows no point when the vault refuses it, and the next one succeeds', async () => {
    const rule = disturb(deployed(), { path: folderOf('denied-db'), effect: 'deny' });
    const told = await deployed().cli('backup denied-db --wait --json');
    rule.remove();
    expect([told.code, told.json()]).toEqual([
      1,
      {
        error: {
          code: 'VAULT_ACCESS_DENIED',
          message: expect.stringContaining('AccessDenied'),
          hint: expect.stringContaining('does the role allow'),
          jobId: expect.stringMatching(/^[0-9A-Z]{26}$/),
          executionArn: expect.stringContaining(':execution:'),
        },
      },
    ]);
    const [failed] = await deployed().catalog(deployed().primary).listJobs({ source: 'denied-db' });
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'VAULT_ACCESS_DENIED' } });
    const ended = await deployed().ended(failed?.owner ?? '');
    expect([ended.status, ended.error]).toEqual(['FAILED', 'VaultAccessDenied']);
    expect(await alarmState(deployed(), 'backup-failed', 'denied-db')).toBe('ALARM');
    expect(await isGreen(deployed(), 'denied-db')).toBe(false);
    await expectNoPoint(deployed(), 'denied-db');
    const { status, job } = await deployed().backUp('denied-db');
    expect([status, job?.state]).toEqual(['SUCCEEDED', 'completed']);
    expect(await isGreen(deployed(), 'denied-db')).toBe(true);
    await expectPoints(deployed(), 'denied-db', [
      [job?.recoveryPointId, await contentNow(deployed(), 'denied-db')],
    ]);
  });

  it('fails and rings when its credentials expire in the middle, and the next one succeeds', async () => {
    const told = deployed().cli('backup expired-db --wait');
    await underWay(deployed(), 'expired-db');
    const rule = disturb(deployed(), { path: folderOf('expired-db'), effect: 'expired' });
    const { code, stdout, stderr } = await told;
    rule.remove();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: cannot .*ExpiredToken.* \(VAULT_ACCESS_DENIED\)$/m);
    expect(stderr).toMatch(/^hint: the session has expired/m);
    expect(await alarmState(deployed(), 'backup-failed', 'expired-db')).toBe('ALARM');
    expect(await deployed().catalog(deployed().primary).listRecoveryPoints({ source: 'expired-db' })).toEqual(
      [],
    );
    const { job } = await deployed().backUp('expired-db');
    await expectPoints(deployed(), 'expired-db', [
      [job?.recoveryPointId, await contentNow(deployed(), 'expired-db')],
    ]);
  });

  it('runs once when two executions start for the same scheduled time', async () => {
    const input = { source: 'twice-db', scheduledFor: '2026-11-02T02:00:00Z' };
    const { run, primary } = deployed();
    const both = await Promise.all([run('backup', primary, input), run('backup', primary, input)]);
    expect(both.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    const [made, skipped] = both.map(({ job }) => job).toSorted((a, b) => (a!.state < b!.state ? -1 : 1));
    expect([made?.state, skipped?.state]).toEqual(['completed', 'skipped']);
    expect(skipped).toMatchObject({ runningJobId: made?.id });
    expect(await alarmState(deployed(), 'backup-failed', 'twice-db')).not.toBe('ALARM');
    expect(await attemptsOf(deployed(), 'twice-db')).toEqual([made?.recoveryPointId]);
    await expectPoints(deployed(), 'twice-db', [
      [made?.recoveryPointId, await contentNow(deployed(), 'twice-db')],
    ]);
  });

  it('is not called good by a restore test of which a check does not hold', async () => {
    const { cli, run, primary, catalog } = deployed();
    const { job } = await run('backup', primary, { source: 'false-db' });
    const told = await cli('restore-test false-db --wait');
    expect([told.code, told.stdout]).toEqual([1, '']);
    expect(told.stderr).toMatch(/^error: 1 of \d+ checks failed: no customers: .* \(CHECK_FAILED\)$/m);
    expect(told.stderr).toMatch(
      /^hint: every row that was stored is in the target, .* is the point damaged, or does the assertion no longer fit the data\?/m,
    );
    expect(await alarmState(deployed(), 'restore-test-failed', 'false-db')).toBe('ALARM');
    expect(await catalog(primary).getRecoveryPoint('false-db', job?.recoveryPointId ?? '')).toMatchObject({
      state: 'protected',
      restoreTest: { result: 'FAILED' },
    });
  });

  it('makes its point once when the reply to the manifest is lost', async () => {
    const lost = disturb(deployed(), {
      operation: 'PutObject',
      path: /v1\/reply-db\/.*manifest\.json/,
      effect: 'lostReply',
      first: 1,
    });
    const { status, job } = await deployed().backUp('reply-db');
    expect([status, job?.state, lost.hits()]).toEqual(['SUCCEEDED', 'completed', 1]);
    expect(await attemptsOf(deployed(), 'reply-db')).toEqual([job?.recoveryPointId]);
    await expectPoints(deployed(), 'reply-db', [
      [job?.recoveryPointId, await contentNow(deployed(), 'reply-db')],
    ]);
  });

  it('is followed to its end over a network that loses a reply and is gone for 5 s', async () => {
    const network = await startFaultyProxy(deployed().sandbox.endpoint);
    let gone = false;
    // The first call starts the execution: whoever starts again for want of a reply has two.
    network.rule = ({ count }) => (count === 1 ? 'lose-reply' : gone ? 'reset' : 'pass');
    const slow = slowDown(deployed(), 'far-db', { delayMilliseconds: 2000 });
    const told = deployed().cli('backup far-db --wait --json', network.endpoint);
    await until(() => slow.hits() > 0);
    gone = true;
    const second = deployed().cli('backup far-db --wait --json');
    await pause(5000);
    gone = false;
    const [running] = (await deployed().catalog(deployed().primary).listJobs({ source: 'far-db' })).filter(
      ({ state }) => state === 'running',
    );
    const { code, json } = await second;
    expect([code, json()]).toEqual([
      4,
      {
        error: {
          code: 'JOB_ALREADY_RUNNING',
          message: `skipped: job ${running?.id} is still running`,
          hint: expect.stringContaining('holdfast jobs --source far-db'),
          jobId: expect.stringMatching(/^[0-9A-Z]{26}$/),
          executionArn: expect.stringContaining(':execution:'),
        },
      },
    ]);
    const first = await told;
    slow.remove();
    await network.stop();
    expect(first.stderr).toContain(`${deployed().primary} does not answer; asking again`);
    expect([first.code, first.json()]).toMatchObject([
      0,
      { id: running?.id, state: 'completed', result: { copy: 'protected' } },
    ]);
    const jobs = await deployed().catalog(deployed().primary).listJobs({ source: 'far-db' });
    expect(jobs.map(({ state }) => state).toSorted()).toEqual(['completed', 'skipped']);
    await expectPoints(deployed(), 'far-db', [
      [running?.recoveryPointId, await contentNow(deployed(), 'far-db')],
    ]);
  });
}
