import { beforeEach, describe, expect, it } from 'vitest';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import { failJob } from './fail-job.ts';
import { idFor } from './job-ids.ts';
import { type FailRequest, failReplySchema } from './messages.ts';

const ref = (id: string) => ({ source: 'shop-db', id });

const noon = new Date('2026-11-02T12:00:00.000Z');
const executionArn = 'arn:aws:states:us-east-1:111122223333:execution:holdfast-acme-backup:one';

describe('failJob', () => {
  let catalog: CatalogStore;
  const request = (change: Partial<FailRequest> = {}): FailRequest => ({
    kind: 'backup',
    source: 'shop-db',
    executionArn,
    executionStartedAt: noon.toISOString(),
    error: 'States.TaskFailed',
    ...change,
  });
  const fail = (change: Partial<FailRequest> = {}) =>
    failJob({ catalog, region: 'us-east-1', now: () => noon }, request(change));
  const claim = (jobId: string) =>
    catalog.claim({
      jobId,
      kind: 'backup',
      source: 'shop-db',
      region: 'us-east-1',
      owner: executionArn,
      epoch: 1,
      scheduledFor: noon,
      now: noon,
      leaseUntil: new Date(noon.getTime() + 60_000),
    });

  beforeEach(async () => {
    catalog = createMemoryCatalogStore();
    await catalog.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
  });

  it('keeps what the task recorded and gives it back, once and again', async () => {
    await claim('job-1');
    const error = {
      code: 'SOURCE_CREDENTIALS',
      message: 'the password was refused',
      hint: 'is the secret right?',
    };
    await catalog.fail(ref('job-1'), { error }, noon);
    const first = await fail({ jobId: 'job-1' });
    expect(first.reply).toEqual({
      jobId: 'job-1',
      error: 'SourceCredentials',
      cause: 'the password was refused; hint: is the secret right?',
    });
    expect(await fail({ jobId: 'job-1', error: 'States.Timeout' })).toEqual(first);
    expect(await catalog.getJob(ref('job-1'))).toMatchObject({ error });
  });

  it('says how the containers of a killed task ended', async () => {
    await claim('job-1');
    const cause = JSON.stringify({
      StoppedReason: 'Essential container in task exited',
      Containers: [{ Name: 'main', ExitCode: 137, Reason: 'OutOfMemoryError' }],
    });
    const { reply, metrics } = await fail({ jobId: 'job-1', cause });
    expect(reply.error).toBe('TaskKilled');
    expect(reply.cause).toContain('main ended with 137 (OutOfMemoryError)');
    expect(await catalog.getJob(ref('job-1'))).toMatchObject({
      state: 'failed',
      error: { code: 'TASK_KILLED' },
    });
    expect(await catalog.leaseOf('shop-db')).toBeUndefined();
    expect(metrics).toEqual([{ name: 'backups_failed_total', unit: 'Count', value: 1, source: 'shop-db' }]);
  });

  it('takes code, message and hint of an error that a function threw', async () => {
    const cause = JSON.stringify({
      errorType: 'SourceNotFound',
      errorMessage: 'the plan acme has no source x; hint: was it deployed?',
    });
    const { reply } = await fail({ error: 'SourceNotFound', cause, source: 'xx' });
    expect(reply).toMatchObject({
      error: 'SourceNotFound',
      cause: 'the plan acme has no source x; hint: was it deployed?',
    });
    expect(await catalog.getJob({ source: 'xx', id: reply.jobId! })).toMatchObject({
      state: 'failed',
      source: 'xx',
      error: { code: 'SOURCE_NOT_FOUND', message: 'the plan acme has no source x', hint: 'was it deployed?' },
    });
  });

  it('finds the job of a claim whose answer was lost', async () => {
    const jobId = idFor('job', { arn: executionArn, startedAt: noon });
    await claim(jobId);
    expect((await fail({ error: 'Lambda.Unknown' })).reply).toMatchObject({ jobId, error: 'Internal' });
    expect(await catalog.getJob(ref(jobId))).toMatchObject({ state: 'failed' });
    expect(await catalog.leaseOf('shop-db')).toBeUndefined();
  });

  it('records a run that failed before it was claimed once, and none without a source', async () => {
    const first = await fail();
    expect(await fail()).toEqual(first);
    expect(await catalog.listJobs()).toHaveLength(1);
    const nameless = await fail({ source: { typed: 'badly' }, executionArn: `${executionArn}2` });
    expect(failReplySchema.parse(nameless.reply)).not.toHaveProperty('jobId');
    expect(await catalog.listJobs()).toHaveLength(1);
  });

  it('does not undo a job that was completed', async () => {
    await claim('job-1');
    await catalog.complete(ref('job-1'), { items: 1, rows: 1, seconds: 1 }, noon);
    expect((await fail({ jobId: 'job-1', error: 'States.Timeout' })).reply.error).toBe('TaskKilled');
    expect(await catalog.getJob(ref('job-1'))).toMatchObject({ state: 'completed' });
  });

  it('counts a late copy as such', async () => {
    await claim('job-1');
    const { metrics } = await fail({ jobId: 'job-1', error: 'ReplicationLate', cause: '2 objects' });
    expect(metrics.map(({ name }) => name)).toEqual(['backups_failed_total', 'replication_late_total']);
  });
});
