import { describe, expect, it } from 'vitest';
import type { Job } from '../../core/catalog/job.ts';
import type { ExecutionState } from './executions.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { Deployment } from './deployment.ts';
import { ended, followJob, watchingEnded } from './follow.ts';

const jobs = 'holdfast jobs --source shop-db --plan acme.yaml --region us-west-2';
const followed = { executionArn: 'arn:execution', source: 'shop-db', kind: 'backup', jobs };
const execution = { status: 'SUCCEEDED', startedAt: new Date('2026-11-02T12:00:00.000Z') } as ExecutionState;
const shared = {
  schemaVersion: 1,
  id: 'job-1',
  kind: 'backup',
  source: 'shop-db',
  region: 'us-east-1',
  owner: 'arn:execution',
  epoch: 1,
  scheduledFor: '2026-11-02T12:00:00.000Z',
  createdAt: '2026-11-02T12:00:00.000Z',
  startedAt: '2026-11-02T12:00:00.000Z',
} as const;
const running: Job = { ...shared, state: 'running', leaseUntil: '2026-11-02T12:15:00.000Z' };
const completed: Job = {
  ...shared,
  state: 'completed',
  finishedAt: '2026-11-02T12:01:00.000Z',
  result: { items: 2, rows: 3, seconds: 60 },
};

describe('an execution that was stopped', () => {
  it('names its job though that has not recorded its end yet', () => {
    expect(() => ended(followed, { ...execution, status: 'ABORTED' }, running)).toThrow(
      expect.objectContaining({
        code: 'JOB_ABORTED',
        detail: { jobId: 'job-1', executionArn: followed.executionArn },
      }),
    );
  });
});

describe('an execution that succeeded', () => {
  it.each([
    [undefined, 'no job is recorded'],
    [running, 'its job job-1 is still running'],
  ])('is not called done without a job that says so', (job, found) => {
    expect(() => ended(followed, execution, job)).toThrow(
      expect.objectContaining({
        code: 'ILLEGAL_TRANSITION',
        message: `the execution of the backup of shop-db succeeded, but ${found}`,
      }),
    );
  });

  it('is done as its job says', () => {
    expect(ended(followed, execution, completed)).toMatchObject({
      json: { state: 'completed' },
      exitCode: 0,
    });
  });
});

describe('a job that was skipped', () => {
  it('names the command that shows the other one, with plan and Region', () => {
    const skipped: Job = {
      ...shared,
      state: 'skipped',
      finishedAt: '2026-11-02T12:00:01.000Z',
      reason: 'job-0 is running',
    };
    expect(() => ended(followed, execution, skipped)).toThrow(
      expect.objectContaining({
        code: 'JOB_ALREADY_RUNNING',
        hint: `nothing was started; ${jobs} shows how the other one goes`,
      }),
    );
  });
});

describe('Ctrl-C while a job is watched', () => {
  const stopped = new HoldfastError('JOB_ABORTED', 'stopped by SIGINT');
  const told = {
    code: 'JOB_ABORTED',
    message: 'watching ended: stopped by SIGINT; the backup of shop-db goes on in AWS',
    hint: expect.stringContaining(`${jobs} shows how it goes`),
  };

  it('says that the job goes on, and how to find it again', async () => {
    const deployment = { region: 'us-west-2', names: { table: 'catalogue' } } as Deployment;
    const progress = { update: () => undefined, say: () => undefined, close: () => undefined };
    const command = { progress, signal: AbortSignal.abort(stopped), warn: () => undefined };
    await expect(followJob(deployment, followed, command)).rejects.toMatchObject({
      ...told,
      detail: { executionArn: 'arn:execution' },
    });
  });

  it('names the job too once it was seen', () => {
    expect(watchingEnded(followed, stopped, 'job-1')).toMatchObject({
      ...told,
      detail: { executionArn: 'arn:execution', jobId: 'job-1' },
    });
  });
});
