import { DescribeTasksCommand, ECSClient, ListTasksCommand } from '@aws-sdk/client-ecs';
import { DescribeKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import type { StateMachineName } from '../../core/plan/names.ts';
import { sql } from '../../sandbox/drill/workload/load-shop.ts';
import { type PostgresServer, startPostgres } from '../../sandbox/postgres/postgres-server.ts';
import { contentOf } from './content.ts';
import { type Deployment, until } from './deployment.ts';
import { alarmState, contentNow } from './disturb.ts';

const source = 'shop-db';
const database = 'shop_db';
const target = 'shop-db-restored';

/** Whole backups and restores of one source in order, while Regions go and come back. */
export function describeRegions(deployed: () => Deployment): void {
  let restored: PostgresServer;
  /** Newest point that both Regions hold. */
  let newest: string;
  const points = async (region: string) => {
    const listed = await deployed().catalog(region).listRecoveryPoints({ source });
    return listed.map(({ id, state }) => [id, state]);
  };
  const versionsOf = async (region: string, id: string) => {
    const { names, s3 } = deployed();
    const Bucket = names.vaultBucket(region);
    const { Versions = [] } = await s3(region).send(
      new ListObjectVersionsCommand({ Bucket, Prefix: `v1/${source}/${id}/` }),
    );
    return Versions.map(({ Key, VersionId }) => ({ Bucket, Key, VersionId }));
  };

  describe('a source of the deployed app', { timeout: 240_000 }, () => {
    afterAll(() => restored?.destroy());

    it('is backed up on schedule and locked in both Regions', async () => {
      const { run, primary, standby, s3 } = deployed();
      const input = { source, scheduledFor: '2026-11-02T02:00:00Z' };
      const { status, job } = await run('backup', primary, input);
      expect(status).toBe('SUCCEEDED');
      expect(job).toMatchObject({ state: 'completed', result: { copy: 'protected' } });
      newest = job?.recoveryPointId ?? '';
      for (const region of [primary, standby]) {
        expect(await points(region)).toEqual([[newest, 'protected']]);
        const versions = await versionsOf(region, newest);
        const manifest = (await (await deployed().vault(region)).open(source, newest)).manifest;
        expect(versions.length).toBe(manifest.items.length + 1);
        for (const version of versions) {
          const head = await s3(region).send(new HeadObjectCommand(version));
          expect(head.ObjectLockMode).toBe('COMPLIANCE');
          expect(head.ObjectLockRetainUntilDate?.toISOString()).toBe(manifest.lockedUntil);
        }
        await expect(s3(region).send(new DeleteObjectCommand(versions[0]!))).rejects.toMatchObject({
          name: 'AccessDenied',
        });
      }
    });

    it('is restored in the standby while the primary Region is gone, row for row', async () => {
      const { sandbox, run, primary, standby, catalog, storeSecret } = deployed();
      await sandbox.killRegion(primary);
      restored = await startPostgres();
      await storeSecret(standby, 'shop-db/restored', restored.connectionTo('postgres'));
      const { status, job } = await run('restore', standby, { source, recoveryPoint: 'latest', target });
      expect(status).toBe('SUCCEEDED');
      expect(job).toMatchObject({ state: 'completed', recoveryPointId: newest });
      const content = await contentOf(deployed().server, database);
      expect(Object.keys(content).length).toBeGreaterThan(8);
      expect(await contentOf(restored, 'postgres')).toEqual(content);
      await sandbox.reviveRegion(primary);
      expect(await catalog(primary).getJob({ source, id: job?.id ?? '' })).toEqual(job);
      expect(await points(primary)).toEqual([[newest, 'protected']]);
    });

    it('has run each task as the role of its own workflow, source and Region', async () => {
      const { names, settings, primary, standby } = deployed();
      const seen = new Set<string>();
      for (const region of [primary, standby]) {
        const ecs = new ECSClient(settings(region));
        const cluster = names.cluster;
        const listed = await ecs.send(new ListTasksCommand({ cluster, desiredStatus: 'STOPPED' }));
        const { tasks = [] } = await ecs.send(
          new DescribeTasksCommand({ cluster, tasks: listed.taskArns ?? [] }),
        );
        for (const { overrides } of tasks) {
          const { environment = [] } = overrides?.containerOverrides?.[0] ?? {};
          const valueOf = (wanted: string) => environment.find(({ name }) => name === wanted)?.value ?? '';
          const workflow = valueOf('HOLDFAST_JOB_KIND') as StateMachineName;
          const role = names.taskRoleArn(workflow, valueOf('HOLDFAST_SOURCE'), region);
          expect(overrides?.taskRoleArn).toBe(role);
          seen.add(`${workflow} of ${valueOf('HOLDFAST_SOURCE')}`);
        }
      }
      expect([...seen]).toEqual(expect.arrayContaining([`backup of ${source}`, `restore of ${source}`]));
    });

    it('is not restored over data', async () => {
      const { cli, standby, catalog } = deployed();
      const before = await contentOf(restored, 'postgres');
      await sql(restored, 'postgres', `update shop.customers set name = 'kept' where id = 1`);
      const changed = await contentOf(restored, 'postgres');
      expect(changed).not.toEqual(before);
      const order = `restore latest --source ${source} --to ${target} --region ${standby} --wait`;
      const told = await cli(`${order} --json`);
      expect([told.code, told.json()]).toEqual([
        4,
        {
          error: {
            code: 'TARGET_NOT_EMPTY',
            message: expect.stringContaining('the target database postgres holds'),
            hint: expect.any(String),
            jobId: expect.any(String),
            executionArn: expect.any(String),
          },
        },
      ]);
      const [refused] = await catalog(standby).listJobs({ source, limit: 1 });
      const { jobId, executionArn } = told.json().error;
      expect(refused).toMatchObject({
        id: jobId,
        owner: executionArn,
        kind: 'restore',
        state: 'failed',
        error: { code: 'TARGET_NOT_EMPTY' },
      });
      expect(await contentOf(restored, 'postgres')).toEqual(changed);
    });

    it('gives back one table, reading no other', async () => {
      const { run, standby, sandbox, storeSecret } = deployed();
      await sql(restored, 'postgres', 'create database tables template template0');
      await storeSecret(standby, 'shop-db/tables', restored.connectionTo('tables'));
      const others = sandbox.faults.add({
        region: standby,
        operation: 'GetObject',
        path: /v1\/shop-db\/.*(orders|order_items|events|tenants|pgbench)/,
        effect: 'deny',
      });
      const order = { source, recoveryPoint: newest, target: 'shop-db-tables' };
      const { status, job } = await run('restore', standby, { ...order, tables: ['shop.customers'] });
      expect([status, job?.state, sandbox.faults.hits(others)]).toEqual(['SUCCEEDED', 'completed', 0]);
      sandbox.faults.remove(others);
      const { 'shop.customers': customers } = await contentOf(deployed().server, database);
      expect(await contentOf(restored, 'tables')).toEqual({ 'shop.customers': customers });
    });

    it('comes back although objects are hidden and overwritten in the bucket, and verify names them', async () => {
      const { cli, catalog, s3, names, standby, vault, storeSecret } = deployed();
      const [point] = await catalog(standby).listRecoveryPoints({ source: 'far-db' });
      const { manifest } = await (await vault(standby)).open('far-db', point!.id);
      const [hidden, covered] = ['shop.customers', 'shop.orders'].map(
        (name) => manifest.items.find((item) => item.name === name)?.key,
      );
      const Bucket = names.vaultBucket(standby);
      await s3(standby).send(new DeleteObjectCommand({ Bucket, Key: hidden }));
      await s3(standby).send(new PutObjectCommand({ Bucket, Key: covered, Body: 'not a backup' }));
      const verified = await cli(`verify ${point!.id} --source far-db --region ${standby} --json`);
      expect(verified.code).toBe(1);
      const problem = (key: string | undefined) => ({ key, code: 'OBJECT_HIDDEN', recoverable: true });
      expect(verified.json().problems).toMatchObject([hidden, covered].toSorted().map(problem));
      await sql(restored, 'postgres', 'create database uncovered template template0');
      await storeSecret(standby, 'shop-db/tables', restored.connectionTo('uncovered'));
      const order = `restore ${point!.id} --source far-db --to shop-db-tables --region ${standby}`;
      const { code, json } = await cli(`${order} --wait --json`);
      expect([code, json().state]).toEqual([0, 'completed']);
      expect(await contentOf(restored, 'uncovered')).toEqual(await contentNow(deployed(), 'far-db'));
    });

    it.each([
      ['backup', {}, 'Usage', '{"source":"shop-db"}'],
      ['backup', { source: 'shop' }, 'SourceNotFound', 'it has shop-db'],
      [
        'restore',
        { source, recoveryPoint: 'latest' },
        'Usage',
        'source, recoveryPoint (an id or latest) and target',
      ],
      ['restore', { source, recoveryPoint: 'latest', target: 'x' }, 'TargetNotFound', 'shop-db-restored'],
    ] as const)('says what is wrong with the input of a %s: %j', async (machine, input, error, cause) => {
      const { run, standby, primary } = deployed();
      const ended = await run(machine, machine === 'backup' ? primary : standby, input);
      expect([ended.status, ended.error]).toEqual(['FAILED', error]);
      expect(ended.cause).toContain(cause);
      expect(ended.job?.state ?? 'none').not.toBe('running');
    });

    it('is not green while the vault key is disabled, and is after it is enabled', async () => {
      const { settings, primary, names, backUp } = deployed();
      const kms = new KMSClient(settings(primary));
      const alias = new DescribeKeyCommand({ KeyId: names.vaultKeyAlias });
      const KeyId = (await kms.send(alias)).KeyMetadata?.KeyId;
      await kms.send(new DisableKeyCommand({ KeyId }));
      const failed = await backUp(source);
      await kms.send(new EnableKeyCommand({ KeyId }));
      expect([failed.status, failed.error]).toEqual(['FAILED', 'KeyUnavailable']);
      expect(failed.job).toMatchObject({ state: 'failed', error: { code: 'KEY_UNAVAILABLE' } });
      expect(await alarmState(deployed(), 'backup-failed', source)).toBe('ALARM');
      expect(await points(primary)).toEqual([[newest, 'protected']]);
      const { job } = await backUp(source);
      expect(job).toMatchObject({ state: 'completed', result: { copy: 'protected' } });
      newest = job?.recoveryPointId ?? '';
    });

    it('is restored from the point before when only the newest manifest reached the standby', async () => {
      const { sandbox, start, run, primary, standby, s3, names, storeSecret } = deployed();
      const before = await contentOf(deployed().server, database);
      await sql(deployed().server, database, `update shop.customers set name = 'later' where id = 1`);
      await sandbox.killRegion(standby);
      await start('backup', primary, { source });
      const last = async () => (await points(primary))[0]?.[0] ?? '';
      await until(async () => (await last()) !== newest);
      const id = await last();
      const Key = `v1/${source}/${id}/manifest.json`;
      const read = await s3(primary).send(new GetObjectCommand({ Bucket: names.vaultBucket(primary), Key }));
      const Body = await read.Body?.transformToByteArray();
      await sandbox.killRegion(primary);
      await sandbox.reviveRegion(standby);
      const Bucket = names.vaultBucket(standby);
      await s3(standby).send(new PutObjectCommand({ Bucket, Key, Body }));
      const vault = await deployed().vault(standby);
      expect((await vault.list(source)).map(({ manifest, state }) => [manifest.id, state])).toMatchObject([
        [id, 'arriving'],
        [newest, 'available'],
        [expect.any(String), 'available'],
      ]);
      await sql(restored, 'postgres', 'create database earlier template template0');
      await storeSecret(standby, 'shop-db/tables', restored.connectionTo('earlier'));
      const order = { source, recoveryPoint: 'latest', target: 'shop-db-tables' };
      const { status, job } = await run('restore', standby, order);
      expect([status, job?.recoveryPointId]).toEqual(['SUCCEEDED', newest]);
      expect(await contentOf(restored, 'earlier')).toEqual(before);
      await sandbox.reviveRegion(primary);
      await until(async () => (await vault.list(source))[0]?.state === 'available');
      newest = id;
    });

    it('is stored while the standby is off, and protected by the next run after its return', async () => {
      const { sandbox, primary, standby, backUp, catalog } = deployed();
      const jobsBefore = await catalog(primary).listJobs({ source });
      const abandoned = jobsBefore.find(({ state }) => state === 'running');
      expect(abandoned?.recoveryPointId).toBe(newest);
      await shortenAllowance(deployed());
      await sandbox.killRegion(standby);
      const { status, job } = await backUp(source);
      expect(status).toBe('SUCCEEDED');
      expect(job).toMatchObject({ state: 'completed', result: { copy: 'storedPeerDown' } });
      expect((await points(primary))[0]).toEqual([job?.recoveryPointId, 'storedPeerDown']);
      expect(await alarmState(deployed(), 'peer-down')).toBe('ALARM');
      // Its execution ended with its Region, so nobody but the next claim could say so.
      expect(await catalog(primary).getJob({ source, id: abandoned?.id ?? '' })).toMatchObject({
        state: 'failed',
        error: { code: 'TASK_KILLED' },
      });
      await sandbox.reviveRegion(standby);
      const next = await backUp(source);
      expect(next.job).toMatchObject({ state: 'completed', result: { copy: 'protected' } });
      const all = await points(primary);
      expect(all.slice(0, 3)).toEqual([
        [next.job?.recoveryPointId, 'protected'],
        [job?.recoveryPointId, 'protected'],
        [newest, 'protected'],
      ]);
      expect(await points(standby)).toEqual(all);
    });
  });
}

/** The shortest that the function takes: nobody wants to wait a quarter of an hour for a copy to be late. */
async function shortenAllowance({ settings, primary, names }: Deployment): Promise<void> {
  const lambda = new LambdaClient(settings(primary));
  const FunctionName = names.lambda('check-copy');
  const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
  const Variables = { ...Environment?.Variables, HOLDFAST_COPY_ALLOWANCE_SECONDS: '60' };
  await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
}
