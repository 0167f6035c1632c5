import { beforeEach, describe, expect, it } from 'vitest';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import { HoldfastError } from '../errors.ts';
import { claimJob, type ClaimJobDependencies } from './claim-job.ts';
import { claimReplySchema, type ClaimRequest } from './messages.ts';
import { taskJobSettingsSchema } from './settings.ts';
import { exampleDefinitions, examplePlan } from './testing.ts';

const ref = (id: string) => ({ source: 'shop-db', id });

const noon = new Date('2026-11-02T12:00:00.000Z');
const pointId = '01JBN2V4ZKQ0000000000000AA';
const arn = (name: string) => `arn:aws:states:us-east-1:111122223333:execution:holdfast-acme-backup:${name}`;

describe('claimJob', () => {
  let catalog: CatalogStore;
  let running: Set<string>;
  let deps: ClaimJobDependencies;
  const request = (change: Partial<ClaimRequest> = {}): ClaimRequest => ({
    kind: 'backup',
    source: 'shop-db',
    executionArn: arn('one'),
    executionStartedAt: noon.toISOString(),
    ...change,
  });
  const scheduled = (name: string, at = noon) =>
    request({ executionArn: arn(name), scheduledFor: at.toISOString() });

  beforeEach(() => {
    catalog = createMemoryCatalogStore();
    running = new Set([arn('one'), arn('two'), arn('three')]);
    deps = {
      catalog,
      plan: examplePlan,
      region: 'us-east-1',
      taskDefinitions: exampleDefinitions,
      resolvePoint: async () => ({ id: pointId, engineVersion: '17.5' }),
      isRunning: async (owner) => running.has(owner),
      now: () => noon,
    };
  });

  it('writes the first control item and gives the task its order', async () => {
    const reply = await claimJob(deps, request());
    expect(claimReplySchema.parse(reply)).toEqual(reply);
    expect(await catalog.control()).toEqual({ activeRegion: 'us-east-1', epoch: 1 });
    expect(reply).toMatchObject({
      outcome: 'claimed',
      taskDefinition: exampleDefinitions['postgres-backup'],
      taskRoleArn: 'arn:aws:iam::111122223333:role/holdfast-acme.backup.shop-db.us-east-1',
    });
    if (reply.outcome !== 'claimed') throw new Error('not claimed');
    expect(Object.fromEntries(reply.environment.map(({ Name, Value }) => [Name, Value]))).toEqual({
      HOLDFAST_JOB_ID: reply.jobId,
      HOLDFAST_JOB_KIND: 'backup',
      HOLDFAST_SOURCE: 'shop-db',
      HOLDFAST_RECOVERY_POINT_ID: reply.recoveryPointId,
      HOLDFAST_CONNECTIONS: '4',
      HOLDFAST_SECRET: 'shop-db/backup',
      HOLDFAST_TLS: 'verify-full',
      HOLDFAST_ON_DDL: 'yield',
      HOLDFAST_LOCK_UNTIL: '2026-12-02T12:00:00.000Z',
      HOLDFAST_LOCK_MODE: 'compliance',
    });
    expect(await catalog.getJob(ref(reply.jobId))).toMatchObject({
      state: 'running',
      epoch: 1,
      owner: arn('one'),
    });
  });

  it('names the revision that is deployed by then when the same execution claims again', async () => {
    const first = await claimJob(deps, request());
    const newer = 'arn:aws:ecs:us-east-1:111122223333:task-definition/holdfast-acme-postgres-backup:8';
    const taskDefinitions = { ...exampleDefinitions, 'postgres-backup': newer };
    const second = await claimJob({ ...deps, taskDefinitions }, request());
    expect(second).toEqual({ ...first, taskDefinition: newer });
    expect(newer).not.toBe(exampleDefinitions['postgres-backup']);
    expect(await catalog.listJobs()).toHaveLength(1);
  });

  it('gives the same execution the same job again', async () => {
    expect(await claimJob(deps, request())).toEqual(await claimJob(deps, request()));
    expect(await catalog.listJobs()).toHaveLength(1);
  });

  it('keeps the point of a job that claims again, though latest is another by then, and renews its lease', async () => {
    const newer = '01JBN2V4ZKQ0000000000000BB';
    const passedOver = [{ id: newer, code: 'OBJECT_MISSING' }];
    let latest = { id: pointId, engineVersion: '17.5', passedOver };
    const asked: string[] = [];
    const resolvePoint = async (_source: string, id: string) => {
      asked.push(id);
      return id === 'latest' ? latest : { id, engineVersion: '17.5', passedOver: [] };
    };
    const test = request({ kind: 'restore-test' });
    const first = await claimJob({ ...deps, resolvePoint }, test);
    latest = { id: newer, engineVersion: '17.5', passedOver: [] };
    // As a killed task left it.
    await catalog.renew(ref(first.jobId), new Date(noon.getTime() + 120_000));
    const later = new Date(noon.getTime() + 119_000);
    const second = await claimJob({ ...deps, resolvePoint, now: () => later }, test);
    expect(second).toEqual(first);
    expect(second).toMatchObject({ recoveryPointId: pointId });
    expect(asked).toEqual(['latest', pointId]);
    const until = '2026-11-02T12:16:59.000Z';
    expect(await catalog.getJob(ref(first.jobId))).toMatchObject({
      recoveryPointId: pointId,
      leaseUntil: until,
      passedOver,
    });
    expect(await catalog.leaseOf('shop-db', { kind: 'restore-test', region: 'us-east-1' })).toMatchObject({
      until,
    });
  });

  it('orders no second try for a job whose lease another took meanwhile', async () => {
    const first = await claimJob(deps, scheduled('one'));
    await catalog.releaseLease(ref(first.jobId));
    const later = new Date(noon.getTime() + 60_000);
    const other = await claimJob({ ...deps, now: () => later }, scheduled('two', later));
    await expect(claimJob(deps, scheduled('one'))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await catalog.leaseOf('shop-db')).toMatchObject({ jobId: other.jobId });
  });

  it('lets one of two schedules at once run and records the other as skipped', async () => {
    const replies = await Promise.all([claimJob(deps, scheduled('one')), claimJob(deps, scheduled('two'))]);
    expect(replies.map(({ outcome }) => outcome).toSorted()).toEqual(['claimed', 'skipped']);
    const jobs = await catalog.listJobs();
    expect(jobs.map(({ state }) => state).toSorted()).toEqual(['running', 'skipped']);
  });

  it('skips while another job holds the source, and names it', async () => {
    const first = await claimJob(deps, scheduled('one'));
    const later = new Date(noon.getTime() + 60_000);
    const reply = await claimJob({ ...deps, now: () => later }, scheduled('two', later));
    expect(reply).toMatchObject({ outcome: 'skipped', runningJobId: first.jobId });
    expect(await catalog.getJob(ref(reply.jobId))).toMatchObject({
      state: 'skipped',
      runningJobId: first.jobId,
    });
    expect(await catalog.leaseOf('shop-db')).toMatchObject({ jobId: first.jobId });
  });

  it('takes over from an execution that died and records its job as failed', async () => {
    const first = await claimJob(deps, scheduled('one'));
    running.delete(arn('one'));
    const later = new Date(noon.getTime() + 60_000);
    const reply = await claimJob({ ...deps, now: () => later }, scheduled('two', later));
    expect(reply).toMatchObject({ outcome: 'claimed' });
    expect(await catalog.getJob(ref(first.jobId))).toMatchObject({
      state: 'failed',
      error: { code: 'TASK_KILLED' },
    });
    expect(await catalog.leaseOf('shop-db')).toMatchObject({ jobId: reply.jobId, owner: arn('two') });
  });

  it('takes over the same scheduled run when claim and lease belong to two dead executions', async () => {
    await claimJob(deps, scheduled('one'));
    running.delete(arn('one'));
    const later = new Date(noon.getTime() + 60_000);
    await claimJob({ ...deps, now: () => later }, scheduled('two', later));
    running.delete(arn('two'));
    expect(await claimJob(deps, scheduled('three'))).toMatchObject({ outcome: 'claimed' });
  });

  it('does not run a second time what was completed', async () => {
    const first = await claimJob(deps, scheduled('one'));
    await catalog.complete(ref(first.jobId), { items: 1, rows: 1, seconds: 1 }, noon);
    running.delete(arn('one'));
    expect(await claimJob(deps, scheduled('two'))).toMatchObject({
      outcome: 'skipped',
      runningJobId: first.jobId,
    });
  });

  it('stands down on schedule where the Region is not active, and refuses a person', async () => {
    const standby = { ...deps, region: 'us-west-2' };
    expect(await claimJob(standby, scheduled('one'))).toMatchObject({ outcome: 'skipped' });
    await expect(claimJob(standby, request())).rejects.toMatchObject({
      code: 'REGION_NOT_ACTIVE',
      // The active Region may be the one that is lost.
      hint: expect.stringMatching(
        /holdfast backup \S+ --region us-east-1\. Is it lost\? Restores work here; .*holdfast local backup$/,
      ),
    });
    expect((await catalog.listJobs()).map(({ state }) => state)).toEqual(['skipped']);
    expect(await catalog.leaseOf('shop-db')).toBeUndefined();
  });

  it('restores in a Region that is not active, into a target of that Region', async () => {
    const standby = { ...deps, region: 'us-west-2' };
    const restore = request({
      kind: 'restore',
      recoveryPoint: 'latest',
      target: 'shop-db-restored',
      tables: ['public.a b'],
      strict: true,
    });
    const reply = await claimJob(standby, restore);
    expect(reply).toMatchObject({
      taskDefinition: exampleDefinitions['postgres-restore'],
      taskRoleArn: 'arn:aws:iam::111122223333:role/holdfast-acme.restore.shop-db.us-west-2',
      recoveryPointId: pointId,
    });
    if (reply.outcome !== 'claimed') throw new Error('not claimed');
    expect(reply.environment).toContainEqual({ Name: 'HOLDFAST_STRICT', Value: 'true' });
    expect(reply.environment).toContainEqual({ Name: 'HOLDFAST_TABLES', Value: '["public.a b"]' });
    expect(reply.environment).toContainEqual({ Name: 'HOLDFAST_SECRET', Value: 'shop-db/restored' });
  });

  it('hands on the newer points that latest could not take, the newest ten of them', async () => {
    const orderOf = async (owner: string, count: number) => {
      const passedOver = Array.from({ length: count }, () => ({ id: pointId, code: 'MANIFEST_SIGNATURE' }));
      const test = request({
        kind: 'restore-test',
        executionArn: arn(owner),
        executionStartedAt: new Date(Date.UTC(2026, 0, 1, 0, count)).toISOString(),
      });
      const resolved = { id: pointId, engineVersion: '17.5', passedOver };
      const reply = await claimJob({ ...deps, resolvePoint: async () => resolved }, test);
      if (reply.outcome !== 'claimed') throw new Error('not claimed');
      await catalog.fail(ref(reply.jobId), { error: { code: 'INTERNAL', message: 'over' } }, new Date());
      const told = Object.fromEntries(reply.environment.map(({ Name, Value }) => [Name, Value]));
      return taskJobSettingsSchema.parse(told).HOLDFAST_PASSED_OVER;
    };
    expect(await orderOf('none', 0)).toBeUndefined();
    expect(await orderOf('one', 1)).toEqual([{ id: pointId, code: 'MANIFEST_SIGNATURE' }]);
    expect(await orderOf('many', 11)).toHaveLength(10);
  });

  it('tells the task the user for IAM authentication and the mode of the lock', async () => {
    const [source] = examplePlan.sources;
    const [target] = examplePlan.targets;
    const iam = { secret: 'place', tls: 'verify-full', iam: true } as const;
    const plan = {
      ...examplePlan,
      vault: { ...examplePlan.vault, lock: 'governance' as const },
      sources: [{ ...source!, connection: { ...iam, username: 'reader' } }],
      targets: [{ ...target!, connection: { ...iam, username: 'writer' } }],
    };
    const toldTo = async (region: string, order: ClaimRequest) => {
      const reply = await claimJob({ ...deps, plan, region }, order);
      if (reply.outcome !== 'claimed') throw new Error('not claimed');
      return Object.fromEntries(reply.environment.map(({ Name, Value }) => [Name, Value]));
    };
    expect(await toldTo('us-east-1', request())).toMatchObject({
      HOLDFAST_SECRET: 'place',
      HOLDFAST_IAM_USER: 'reader',
      HOLDFAST_LOCK_MODE: 'governance',
    });
    const restore = request({ kind: 'restore', target: 'shop-db-restored', executionArn: arn('two') });
    expect(await toldTo('us-west-2', restore)).toMatchObject({ HOLDFAST_IAM_USER: 'writer' });
    const test = request({ kind: 'restore-test', executionArn: arn('three') });
    expect(await toldTo('us-east-1', test)).not.toHaveProperty('HOLDFAST_IAM_USER');
  });

  it('refuses a target that is elsewhere or unknown, and a source that the plan lacks', async () => {
    const restore = request({ kind: 'restore', recoveryPoint: 'latest', target: 'shop-db-restored' });
    await expect(claimJob(deps, restore)).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' });
    await expect(claimJob(deps, { ...restore, target: 'x' })).rejects.toMatchObject({
      code: 'TARGET_NOT_FOUND',
    });
    await expect(claimJob(deps, request({ source: 'nobody' }))).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
    });
    expect(await catalog.listJobs()).toEqual([]);
  });

  it('asks for the point that is complete here and claims nothing when there is none', async () => {
    const asked: string[] = [];
    const resolvePoint = async (source: string, id: string) => {
      asked.push(`${source} ${id}`);
      throw new HoldfastError('RECOVERY_POINT_NOT_FOUND', 'none');
    };
    const test = request({ kind: 'restore-test' });
    await expect(claimJob({ ...deps, resolvePoint }, test)).rejects.toMatchObject({
      code: 'RECOVERY_POINT_NOT_FOUND',
    });
    expect(asked).toEqual(['shop-db latest']);
    expect(await catalog.listJobs()).toEqual([]);
  });

  it("runs a restore test beside a scratch server of the source's major, or says that there is none", async () => {
    const test = request({ kind: 'restore-test' });
    expect(await claimJob(deps, test)).toMatchObject({
      taskDefinition: exampleDefinitions['postgres-restore-test-17'],
      taskRoleArn: 'arn:aws:iam::111122223333:role/holdfast-acme.restore-test.shop-db.us-east-1',
    });
    const old = { ...deps, resolvePoint: async () => ({ id: pointId, engineVersion: '13.9' }) };
    const second = { ...test, executionArn: arn('two') };
    await expect(claimJob(old, second)).rejects.toMatchObject({ code: 'NOT_TESTABLE_HERE' });
  });

  it('gives a restore the assertions of the plan as far as its order has room, and never refuses it for them', async () => {
    const [source] = examplePlan.sources;
    const short = { name: 'short', sql: 'select true' };
    const long = { name: 'long', sql: `select '${'x'.repeat(6990)}' = ''` };
    const order = async (checks: { name: string; sql: string }[], executionArn: string) => {
      const plan = { ...examplePlan, sources: [{ ...source!, checks }] };
      const to = { recoveryPoint: 'latest', target: 'shop-db-restored' };
      const restore = { ...request({ kind: 'restore', ...to }), executionArn };
      const reply = await claimJob({ ...deps, plan, region: 'us-west-2' }, restore);
      if (reply.outcome !== 'claimed') throw new Error(`the restore was ${reply.outcome}`);
      await catalog.releaseLease(ref(reply.jobId));
      return Object.fromEntries(reply.environment.map(({ Name, Value }) => [Name, Value]));
    };
    const fits = await order([short], arn('fits'));
    expect(JSON.parse(fits['HOLDFAST_CHECKS'] ?? '')).toEqual([short]);
    expect(fits).not.toHaveProperty('HOLDFAST_CHECKS_LEFT_OUT');
    const tooLong = await order([short, long], arn('long'));
    expect(JSON.parse(tooLong['HOLDFAST_CHECKS'] ?? '')).toEqual([short]);
    expect(tooLong['HOLDFAST_CHECKS_LEFT_OUT']).toBe('1');
    expect(await order([long], arn('none'))).not.toHaveProperty('HOLDFAST_CHECKS');
  });

  it('refuses an order that a task cannot be given', async () => {
    const [source] = examplePlan.sources;
    const checks = [{ name: 'long', sql: `select '${'x'.repeat(7000)}' = ''` }];
    const plan = { ...examplePlan, sources: [{ ...source!, checks }] };
    await expect(claimJob({ ...deps, plan }, request({ kind: 'restore-test' }))).rejects.toMatchObject({
      code: 'NOT_SUPPORTED_YET',
    });
  });
});
