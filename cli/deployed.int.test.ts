import { DisableKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import { examplePoint } from '../core/catalog/recovery-point.conformance.ts';
import { idFor } from '../core/jobs/job-ids.ts';
import { loadPlan } from '../core/plan/load-plan.ts';
import { createKeyFile } from '../core/vault/key-file.ts';
import { deploymentNames } from '../core/plan/names.ts';
import type { LocalAws } from '../sandbox/aws/local-aws.ts';
import { startRouter } from '../sandbox/router/router.ts';
import { followJob } from './deployed/follow.ts';
import { openDeployedVault } from './deployed/vault.ts';
import { openProgress } from './progress.ts';
import { type EmulatedDeployment, emulateDeployment } from './testing/emulated-deployment.ts';
import { runCli } from './testing/run-cli.ts';
import { type Shop, startShop } from './testing/shop.ts';

const example = path.resolve(import.meta.dirname, '../examples/drill.yaml');
const plan = await loadPlan(example);
const names = deploymentNames(plan);
const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const regions = [plan.regions.primary, plan.regions.standby];
let shop: Shop;
let aws: LocalAws;
let deployment: EmulatedDeployment;
let settings: EmulatedDeployment['settings'];
let planFile: string;

const run = (args: string) => shop.cli(args, { env: aws.environment });
const deployed = (args: string) => run(`${args} --plan ${planFile} --json`);
beforeAll(async () => {
  [shop, deployment] = await Promise.all([startShop(), emulateDeployment(plan)]);
  ({ aws, settings } = deployment);
  // Doctor writes beside the plan.
  planFile = path.join(shop.home, 'drill.yaml');
  fs.copyFileSync(example, planFile);
});
afterAll(async () => {
  await aws?.stop();
  await shop?.destroy();
});

describe('holdfast local with a vault in S3', () => {
  it('backs up, lists, verifies and restores one table', async () => {
    const vault = `--vault s3://${names.vaultBucket(regions[0]!)}/by-hand`;
    const backup = await run(
      `local backup --engine postgres --url ${shop.url('shop')} ${vault} --source shop-db --json`,
    );
    expect([backup.code, backup.json().rows]).toEqual([0, 2500]);
    expect((await run(`local list ${vault} --json`)).json()).toMatchObject([
      { recoveryPointId: backup.json().recoveryPointId },
    ]);
    expect((await run(`local verify latest ${vault} --source shop-db --json`)).json()).toEqual({
      ok: true,
      problems: [],
    });
    await shop.query('postgres', 'create database part');
    const restore = await run(
      `local restore latest ${vault} --source shop-db --to ${shop.url('part')} --table public.customers --json`,
    );
    expect([restore.code, restore.json().rows]).toEqual([0, 500]);
    expect(await shop.query('part', 'select count(*)::int from customers')).toEqual([{ count: 500 }]);
  });

  it('asks the bucket for its Region when none is configured, and says when there is no such bucket', async () => {
    const { AWS_REGION: _, ...environment } = aws.environment;
    await createKeyFile(path.join(shop.home, '.config/holdfast/vault.key'));
    const list = (bucket: string) =>
      runCli(['local', 'list', '--vault', `s3://${bucket}/by-hand`, '--json'], {
        cwd: shop.home,
        env: environment,
      });
    for (const region of regions) {
      const known = await list(names.vaultBucket(region));
      expect([known.code, known.stderr]).toEqual([0, '']);
    }
    const unknown = await list('no-such-bucket-at-all');
    expect([unknown.code, unknown.json().error.code]).toEqual([3, 'VAULT_NOT_FOUND']);
  });
});

describe('holdfast with a deployment', () => {
  it('says that nothing is protected yet, and then that it is, until the RPO is over', async () => {
    const before = await deployed('status');
    expect([before.code, before.json().sources]).toEqual([
      1,
      [{ source: 'shop-db', ok: false, rpoSeconds: 3600 }],
    ]);
    const catalog = createDynamoCatalogStore({
      client: new DynamoDBClient(settings(regions[0]!)),
      table: names.table,
    });
    await catalog.setControl({ activeRegion: regions[0]!, epoch: 1 }, undefined);
    const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const point = (state: object, startedAt: string) =>
      examplePoint('shop-db', id, { startedAt, finishedAt: startedAt, ...state });
    await catalog.putRecoveryPoint(point({ state: 'stored' }, at(5)));
    expect((await deployed('status')).json().sources[0]).toMatchObject({
      ok: false,
      newer: { id, state: 'stored' },
    });
    await catalog.putRecoveryPoint(point({ state: 'protected', protectedAt: at(1) }, at(5)));
    const after = await deployed('status');
    expect([after.code, after.json()]).toMatchObject([
      0,
      { ok: true, activeRegion: regions[0], epoch: 1, sources: [{ newestProtected: { id } }] },
    ]);
    expect((await deployed('recovery-points shop-db')).json()).toMatchObject([{ id, state: 'protected' }]);
    expect((await run(`recovery-points --plan ${planFile}`)).stdout).toContain(id);
    await catalog.putRecoveryPoint(point({ state: 'protected', protectedAt: at(1) }, at(61)), {
      recomputed: true,
    });
    expect((await deployed('status')).code).toBe(1);
  });

  it('verifies a stored point and rebuilds the catalogue from the vault', async () => {
    const region = regions[0]!;
    const before = { ...process.env };
    Object.assign(process.env, aws.environment);
    try {
      const vault = await openDeployedVault({ names, plan, region });
      const writer = await vault.begin('shop-db');
      const body = Readable.from([zstdCompressSync(Buffer.from('1\n'))]);
      await writer.store({
        name: 'public.t',
        kind: 'table',
        compression: 'zst',
        body,
        done: Promise.resolve({ rows: 1, bytes: 2 }),
      });
      const now = new Date().toISOString();
      const facts = { position: {}, notCovered: [], independentCounts: [], tools: {}, billOfMaterials: {} };
      await writer.commit({
        ...facts,
        engine: { name: 'postgres', version: '18.6' },
        type: 'full',
        startedAt: now,
        finishedAt: now,
      });
      const verified = await deployed('verify latest --deep');
      expect([verified.code, verified.json()]).toMatchObject([
        0,
        { ok: true, deep: true, recoveryPointId: writer.id, problems: [] },
      ]);
      const dry = await deployed('catalog rebuild --dry-run');
      expect([dry.code, dry.json().entries]).toMatchObject([
        0,
        [{ action: 'create', id: writer.id, state: 'protected' }],
      ]);
      expect(
        (await deployed('recovery-points')).json().map((point: { id: string }) => point.id),
      ).not.toContain(writer.id);
      const rebuilt = await deployed('catalog rebuild');
      expect(rebuilt.json()).toMatchObject({
        created: 1,
        dryRun: false,
        notInVault: [{ source: 'shop-db', id }],
      });
      expect((await deployed('recovery-points')).json().map((point: { id: string }) => point.id)).toContain(
        writer.id,
      );
    } finally {
      process.env = before;
    }
  });

  it('starts executions with the input a person would type', async () => {
    const backup = await deployed('backup shop-db');
    expect([backup.code, backup.json()]).toMatchObject([
      0,
      { state: 'started', source: 'shop-db', region: regions[0] },
    ]);
    expect(backup.json().executionArn).toContain(`:${names.stateMachine('backup')}:`);
    // The machine of this deployment ends at once and records no job, which is not taken for a backup.
    const waited = await deployed('backup shop-db --wait');
    expect([waited.code, waited.json().error?.code]).toEqual([1, 'ILLEGAL_TRANSITION']);
    const restore = await deployed(
      `restore latest --source shop-db --to shop-db-restored --region ${regions[1]}`,
    );
    expect([restore.code, restore.json().region]).toEqual([0, regions[1]]);
  });

  it('finds the job of its execution behind more newer ones than a page of them', async () => {
    const region = regions[0]!;
    const source = 'shop-db';
    const { executionArn } = (await deployed(`backup ${source}`)).json() as { executionArn: string };
    const { startDate } = await new SFNClient(settings(region)).send(
      new DescribeExecutionCommand({ executionArn }),
    );
    const startedAt = startDate!;
    const client = new DynamoDBClient(settings(region));
    const catalog = createDynamoCatalogStore({ client, table: names.table });
    const of = { source, kind: 'backup', region, epoch: 1 } as const;
    const jobId = idFor('job', { arn: executionArn, startedAt });
    const began = startedAt.toISOString();
    await catalog.recordFailure({
      ...of,
      schemaVersion: 1,
      id: jobId,
      owner: executionArn,
      scheduledFor: began,
      createdAt: began,
      finishedAt: began,
      state: 'failed',
      error: { code: 'SOURCE_CREDENTIALS', message: 'the password was refused' },
    });
    for (let n = 1; n <= 25; n += 1) {
      const later = new Date(startedAt.getTime() + n * 1000).toISOString();
      await catalog.skip({
        ...of,
        schemaVersion: 1,
        id: `01ZZZZZZZZZZZZZZZZZZZZZZ${String(n).padStart(2, '0')}`,
        owner: `${executionArn}-${n}`,
        scheduledFor: later,
        createdAt: later,
        finishedAt: later,
        state: 'skipped',
        reason: 'for the test',
      });
    }
    const environment = { ...process.env };
    Object.assign(process.env, aws.environment);
    const command = {
      signal: new AbortController().signal,
      progress: openProgress(process.stderr),
      warn: () => undefined,
    };
    const deployment = { plan, planFile, names, region, peerRegion: regions[1]! };
    try {
      await expect(
        followJob(deployment, { executionArn, source, kind: 'backup', jobs: 'holdfast jobs' }, command),
      ).rejects.toMatchObject({ code: 'SOURCE_CREDENTIALS', detail: { jobId, executionArn } });
    } finally {
      process.env = environment;
    }
  });

  it('stops watching at once when the credentials expire, and says that the job goes on', async () => {
    const router = await startRouter({ upstream: aws.endpoint });
    router.faults.add({ service: 'states', operation: 'DescribeExecution', effect: 'expired' });
    const env = { ...aws.environment, AWS_ENDPOINT_URL: router.endpoint };
    const { code, json, stderr } = await shop.cli(`backup shop-db --wait --plan ${planFile} --json`, { env });
    expect([code, json().error]).toMatchObject([
      1,
      { code: 'VAULT_ACCESS_DENIED', hint: expect.stringContaining('aws sso login') },
    ]);
    expect(stderr).toContain(`the job goes on in AWS: arn:aws:states:${regions[0]}`);
    expect(router.counts()).toMatchObject({ [`${regions[0]}/states/DescribeExecution`]: 1 });
    await router.close();
  });

  it.each([
    ['backup nobody', 3, 'SOURCE_NOT_FOUND'],
    ['restore latest --source shop-db --to nowhere', 3, 'TARGET_NOT_FOUND'],
    ['restore latest --source shop-db --to shop-db-restored', 3, 'TARGET_NOT_FOUND'],
    ['restore nonsense --source shop-db --to shop-db-restored', 3, 'RECOVERY_POINT_NOT_FOUND'],
    ['status --region eu-west-1', 2, 'USAGE'],
    ['jobs --limit 0', 2, 'USAGE'],
    ['verify latest --offline', 2, 'USAGE'],
  ])('%s ends with %d and %s', async (args, code, error) => {
    const result = await deployed(args);
    expect([result.code, result.json().error.code]).toEqual([code, error]);
  });

  it('finds every fault and its fix', async () => {
    const good = await deployed('doctor --page');
    const { checks } = good.json() as { checks: { what: string; state: string }[] };
    expect(checks.filter(({ state }) => state === 'FAULT')).toEqual([]);
    expect(checks.filter(({ state }) => state === 'unknown').map(({ what }) => what)).toEqual([
      'connection to source shop-db',
      'connection to target shop-db-restored',
    ]);
    expect(good.code).toBe(6);
    await new KMSClient(settings(regions[1]!)).send(
      new DisableKeyCommand({ KeyId: deployment.vaultKeyIds[regions[1]!] }),
    );
    const bad = await deployed('doctor');
    const faults = bad.json().checks.filter((check: { state: string }) => check.state === 'FAULT');
    expect(bad.code).toBe(1);
    expect(faults).toMatchObject([
      { what: names.vaultKeyAlias, region: regions[1], fix: expect.stringContaining('enable-key') },
    ]);
  });

  it('names the fix when nothing is deployed', async () => {
    const other = path.join(shop.home, 'other.yaml');
    fs.writeFileSync(other, fs.readFileSync(example, 'utf8').replace('name: drill', 'name: other'));
    const missing = await run(`status --plan ${other} --json`);
    expect([missing.code, missing.json().error.code]).toEqual([3, 'DEPLOYMENT_NOT_FOUND']);
    const start = await run(`backup shop-db --plan ${other} --json`);
    expect([start.code, start.json().error.code]).toEqual([3, 'DEPLOYMENT_NOT_FOUND']);
  });
});
