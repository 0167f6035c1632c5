import { ulid } from 'ulid';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CatalogStore, ClaimInput } from './catalog-store.ts';
import type { SkippedJob } from './job.ts';
import { describeRecoveryPoints } from './recovery-point.conformance.ts';

const ref = (id: string) => ({ source: 'shop-db', id });

const noon = new Date('2026-11-02T12:00:00.000Z');
const seconds = (n: number) => new Date(noon.getTime() + n * 1000);

/** What every catalogue store must do; `make` gives an empty one. */
export function describeCatalogStore(name: string, make: () => Promise<CatalogStore>): void {
  describeRecoveryPoints(name, make);
  describe(`catalogue store: ${name}`, () => {
    let store: CatalogStore;
    const claimOf = (change: Partial<ClaimInput> = {}): ClaimInput => ({
      jobId: ulid(),
      kind: 'backup',
      source: 'shop-db',
      region: 'us-east-1',
      owner: 'execution-1',
      epoch: 1,
      scheduledFor: noon,
      now: noon,
      leaseUntil: seconds(60),
      ...change,
    });

    beforeEach(async () => {
      store = await make();
      await store.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
    });

    describe('control', () => {
      it('is set once and then only from the epoch that is current', async () => {
        const next = { activeRegion: 'us-west-2', epoch: 2 };
        await expect(store.setControl(next, undefined)).rejects.toMatchObject({ code: 'CONDITION_FAILED' });
        await expect(store.setControl(next, 0)).rejects.toMatchObject({ code: 'CONDITION_FAILED' });
        expect(await store.control()).toEqual({ activeRegion: 'us-east-1', epoch: 1 });
        await store.setControl(next, 1);
        expect(await store.control()).toEqual(next);
      });
    });

    describe('claim', () => {
      it('creates a running job and takes the lease of the source', async () => {
        const job = await store.claim(claimOf({ jobId: 'job-1' }));
        expect(job).toMatchObject({ id: 'job-1', state: 'running', leaseUntil: seconds(60).toISOString() });
        expect(await store.getJob(ref('job-1'))).toEqual(job);
        expect(await store.leaseOf('shop-db')).toEqual({
          jobId: 'job-1',
          owner: 'execution-1',
          until: seconds(60).toISOString(),
        });
      });

      it('gives the same job to the same owner again', async () => {
        const first = await store.claim(claimOf({ jobId: 'job-1' }));
        expect(await store.claim(claimOf({ jobId: 'job-2' }))).toEqual(first);
        expect(await store.getJob(ref('job-2'))).toBeUndefined();
      });

      it('refuses the same run to another owner, also after the job ended', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        await store.fail(ref('job-1'), { error: { code: 'INTERNAL', message: 'x' } }, seconds(1));
        const again = claimOf({ jobId: 'job-2', owner: 'execution-2' });
        await expect(store.claim(again)).rejects.toMatchObject({
          code: 'JOB_ALREADY_RUNNING',
          detail: { by: 'claim', jobId: 'job-1', owner: 'execution-1' },
        });
        expect(await store.getJob(ref('job-2'))).toBeUndefined();
      });

      it('refuses the next run while the lease lasts, up to its last moment, and changes nothing', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const next = claimOf({
          jobId: 'job-2',
          owner: 'execution-2',
          scheduledFor: seconds(30),
          now: seconds(60),
        });
        await expect(store.claim(next)).rejects.toMatchObject({
          code: 'JOB_ALREADY_RUNNING',
          detail: { by: 'lease', jobId: 'job-1', owner: 'execution-1', until: seconds(60).toISOString() },
        });
        expect(await store.leaseOf('shop-db')).toMatchObject({ jobId: 'job-1' });
        expect(await store.getJob(ref('job-2'))).toBeUndefined();
      });

      it('frees the source a moment after the lease ended', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const now = new Date(seconds(60).getTime() + 1);
        const next = claimOf({ jobId: 'job-2', owner: 'execution-2', scheduledFor: seconds(30), now });
        expect(await store.claim({ ...next, leaseUntil: seconds(120) })).toMatchObject({ id: 'job-2' });
        await expect(store.renew(ref('job-1'), seconds(200))).rejects.toMatchObject({ code: 'LEASE_LOST' });
        expect(await store.leaseOf('shop-db')).toMatchObject({
          jobId: 'job-2',
          until: seconds(120).toISOString(),
        });
      });

      it('takes over from an owner known to be dead, and from nobody else', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const next = claimOf({ jobId: 'job-2', owner: 'execution-2', scheduledFor: seconds(30) });
        await expect(store.claim({ ...next, takeOverFrom: ['execution-9'] })).rejects.toMatchObject({
          code: 'JOB_ALREADY_RUNNING',
        });
        expect(await store.claim({ ...next, takeOverFrom: ['execution-1'] })).toMatchObject({ id: 'job-2' });
        expect(await store.leaseOf('shop-db')).toMatchObject({ jobId: 'job-2', owner: 'execution-2' });
      });

      it('takes over the very same run from a dead owner', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const again = claimOf({ jobId: 'job-2', owner: 'execution-2', takeOverFrom: ['execution-1'] });
        expect(await store.claim(again)).toMatchObject({ id: 'job-2', owner: 'execution-2' });
      });

      it('lets one of many claims at once through', async () => {
        const claims = Array.from({ length: 8 }, (_, n) =>
          store.claim(claimOf({ jobId: `job-${n}`, owner: `execution-${n}` })),
        );
        const settled = await Promise.allSettled(claims);
        expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        expect(await store.listJobs()).toHaveLength(1);
      });

      it('refuses an epoch that is not current', async () => {
        await store.setControl({ activeRegion: 'us-west-2', epoch: 2 }, 1);
        await expect(store.claim(claimOf())).rejects.toMatchObject({ code: 'STALE_EPOCH' });
        expect(await store.leaseOf('shop-db')).toBeUndefined();
        expect(await store.claim(claimOf({ epoch: 2 }))).toMatchObject({ state: 'running' });
      });

      it('keeps sources, restores and restore tests apart from a backup', async () => {
        await store.claim(claimOf({ jobId: 'backup' }));
        await store.claim(claimOf({ jobId: 'other', source: 'crm-db' }));
        await store.claim(claimOf({ jobId: 'test', kind: 'restore-test' }));
        const restore = claimOf({ jobId: 'restore', kind: 'restore', target: 'shop-db-restored' });
        await store.claim(restore);
        const second = { ...restore, jobId: 'restore-2', owner: 'execution-2', scheduledFor: seconds(1) };
        await expect(store.claim(second)).rejects.toMatchObject({ code: 'JOB_ALREADY_RUNNING' });
        expect(await store.claim({ ...second, target: 'elsewhere' })).toMatchObject({ target: 'elsewhere' });
      });
    });

    describe('a running job', () => {
      it('counts attempts and takes the recovery point of the newest one', async () => {
        const [first, second] = [ulid(), ulid()];
        await store.claim(claimOf({ jobId: 'job-1', recoveryPointId: first }));
        expect(await store.beginAttempt(ref('job-1'), { leaseUntil: seconds(70) })).toMatchObject({
          attempts: 1,
          recoveryPointId: first,
        });
        await store.beginAttempt(ref('job-1'), { leaseUntil: seconds(80), recoveryPointId: second });
        expect(await store.getJob(ref('job-1'))).toMatchObject({ attempts: 2, recoveryPointId: second });
        expect(await store.leaseOf('shop-db')).toMatchObject({ until: seconds(80).toISOString() });
      });

      it('keeps progress and lease with each renewal', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const progress = {
          itemsDone: 1,
          itemsTotal: 4,
          rows: 10,
          bytes: 100,
          storedBytes: 40,
          bytesPerSecond: 50,
          fraction: 0.25,
          current: ['public.orders'],
          at: seconds(2).toISOString(),
        };
        await store.renew(ref('job-1'), seconds(90), progress);
        await store.renew(ref('job-1'), seconds(92));
        expect(await store.getJob(ref('job-1'))).toMatchObject({
          progress,
          leaseUntil: seconds(92).toISOString(),
        });
        expect(await store.leaseOf('shop-db')).toMatchObject({ until: seconds(92).toISOString() });
      });

      it('frees the source early while the job goes on', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        await store.releaseLease(ref('job-1'));
        await store.releaseLease(ref('job-1'));
        expect(await store.getJob(ref('job-1'))).toMatchObject({ state: 'running' });
        await store.claim(claimOf({ jobId: 'job-2', owner: 'execution-2', scheduledFor: seconds(5) }));
        await store.releaseLease(ref('job-1'));
        expect(await store.leaseOf('shop-db')).toMatchObject({ jobId: 'job-2' });
        await expect(store.renew(ref('job-1'), seconds(99))).rejects.toMatchObject({ code: 'LEASE_LOST' });
      });

      it('completes once, frees the source and keeps its result', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const result = { items: 1, rows: 2, seconds: 3 };
        const done = await store.complete(ref('job-1'), result, seconds(10));
        expect(done).toMatchObject({ state: 'completed', result, finishedAt: seconds(10).toISOString() });
        expect(await store.complete(ref('job-1'), { ...result, rows: 9 }, seconds(20))).toEqual(done);
        expect(await store.getJob(ref('job-1'))).toEqual(done);
        expect(await store.leaseOf('shop-db')).toBeUndefined();
      });

      it('keeps how it ended when a failure is reported later', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const error = { code: 'TOOL_FAILED', message: 'pg_dump ended with 1', hint: 'see the log' };
        const failed = await store.fail(ref('job-1'), { error }, seconds(10));
        expect(failed).toMatchObject({ state: 'failed', error });
        const later = { error: { code: 'INTERNAL', message: 'States.TaskFailed' } };
        expect(await store.fail(ref('job-1'), later, seconds(20))).toEqual(failed);
        await expect(
          store.complete(ref('job-1'), { items: 0, rows: 0, seconds: 1 }, seconds(30)),
        ).rejects.toMatchObject({
          code: 'ILLEGAL_TRANSITION',
        });
        expect(await store.getJob(ref('job-1'))).toEqual(failed);
        await expect(store.beginAttempt(ref('job-1'), { leaseUntil: seconds(99) })).rejects.toMatchObject({
          code: 'LEASE_LOST',
        });
      });

      it('leaves the lease of the next job alone when it fails late', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const next = claimOf({ jobId: 'job-2', owner: 'execution-2', scheduledFor: seconds(30) });
        await store.claim({ ...next, takeOverFrom: ['execution-1'] });
        await store.fail(ref('job-1'), { error: { code: 'LEASE_LOST', message: 'x' } }, seconds(40));
        expect(await store.leaseOf('shop-db')).toMatchObject({ jobId: 'job-2' });
      });

      it('is not found under a wrong id', async () => {
        expect(await store.getJob(ref('nobody'))).toBeUndefined();
        const error = { code: 'INTERNAL', message: 'x' };
        await expect(store.fail(ref('nobody'), { error }, noon)).rejects.toMatchObject({
          code: 'JOB_NOT_FOUND',
        });
      });
    });

    describe('running jobs', () => {
      it('are all those of a source that have not ended, however many came after them', async () => {
        await store.claim(claimOf({ jobId: 'waiting' }));
        await store.releaseLease(ref('waiting'));
        await store.claim(claimOf({ jobId: 'other', source: 'crm-db' }));
        for (let n = 0; n < 30; n += 1) {
          const jobId = `later-${n}`;
          await store.claim(claimOf({ jobId, scheduledFor: seconds(n + 1), now: seconds(n + 1) }));
          await store.complete(ref(jobId), { items: 1, rows: 1, seconds: 1 }, seconds(n + 2));
        }
        await store.claim(claimOf({ jobId: 'newest', scheduledFor: seconds(99) }));
        const running = async () => (await store.runningJobs('shop-db')).map(({ id }) => id).toSorted();
        expect(await running()).toEqual(['newest', 'waiting']);
        await store.fail(ref('waiting'), { error: { code: 'TASK_KILLED', message: 'x' } }, seconds(100));
        expect(await running()).toEqual(['newest']);
        expect((await store.runningJobs('crm-db')).map(({ id }) => id)).toEqual(['other']);
      });
    });

    describe('a job of another source', () => {
      it('is not found under the same id', async () => {
        await store.claim(claimOf({ jobId: 'job-1' }));
        const elsewhere = { source: 'crm-db', id: 'job-1' };
        expect(await store.getJob(elsewhere)).toBeUndefined();
        await expect(store.renew(elsewhere, seconds(90))).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
      });
    });

    describe('lists', () => {
      const skip = (id: string, createdAt: Date, source = 'shop-db'): SkippedJob => ({
        schemaVersion: 1,
        id,
        kind: 'backup',
        source,
        region: 'us-east-1',
        owner: 'execution-1',
        epoch: 1,
        scheduledFor: createdAt.toISOString(),
        createdAt: createdAt.toISOString(),
        state: 'skipped',
        finishedAt: createdAt.toISOString(),
        reason: 'another job was running',
      });

      it('records a skip once and lists jobs newest first, of one source or of all', async () => {
        await store.skip(skip('a', seconds(1)));
        await store.skip({ ...skip('a', seconds(1)), reason: 'told twice' });
        await store.skip(skip('b', seconds(3)));
        await store.skip(skip('c', seconds(2), 'crm-db'));
        expect((await store.listJobs()).map(({ id }) => id)).toEqual(['b', 'c', 'a']);
        expect((await store.listJobs({ source: 'shop-db' })).map(({ id }) => id)).toEqual(['b', 'a']);
        expect((await store.listJobs({ limit: 1 })).map(({ id }) => id)).toEqual(['b']);
        expect(await store.getJob(ref('a'))).toMatchObject({ reason: 'another job was running' });
      });

      it('records a failure that came before the claim once', async () => {
        const { reason: _reason, ...rest } = skip('f', seconds(1));
        const failed = {
          ...rest,
          state: 'failed' as const,
          error: { code: 'USAGE', message: 'no such source' },
        };
        await store.recordFailure(failed);
        await store.recordFailure({ ...failed, error: { code: 'INTERNAL', message: 'again' } });
        expect(await store.getJob(ref('f'))).toEqual(failed);
      });
    });
  });
}
