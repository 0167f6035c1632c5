import { describe, expect, it } from 'vitest';
import type { Job } from '../../core/catalog/job.ts';
import type { ExecutionState } from './executions.ts';
import { ended } from './follow.ts';

const followed = { executionArn: 'arn:execution', source: 'shop-db', kind: 'backup' };
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
