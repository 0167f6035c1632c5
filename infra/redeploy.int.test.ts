import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { App } from 'aws-cdk-lib';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import { loadPlan } from '../core/plan/load-plan.ts';
import {
  type DeploymentNames,
  deploymentNames,
  type StackName,
  stackNames,
  type StateMachineName,
} from '../core/plan/names.ts';
import type { Plan } from '../core/plan/plan.ts';
import { runCdk } from '../sandbox/deploy/cdk.ts';
import { readBack } from '../sandbox/deploy/read-back.ts';
import { loadShop, sql } from '../sandbox/drill/workload/load-shop.ts';
import { type PostgresServer, startPostgres } from '../sandbox/postgres/postgres-server.ts';
import { type Sandbox, startSandbox } from '../sandbox/sandbox.ts';
import { waitFor } from '../sandbox/aws/testing.ts';
import { buildLambdas } from './build-lambdas.ts';
import { buildStacks } from './stacks/build-stacks.ts';

const root = path.resolve(import.meta.dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-redeploy-'));
const assembly = (name: StackName | 'sound') => path.join(folder, name);

let plan: Plan;
let names: DeploymentNames;
let sandbox: Sandbox;
let server: PostgresServer;
const settings = (region: string) => ({
  region,
  endpoint: sandbox.endpoint,
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});
const cdk = (...args: string[]) => runCdk(args, { environment: sandbox.environment(plan.regions.primary) });

/** The app as `cdk synth` gives it. */
async function synthesize(): Promise<void> {
  const { context } = JSON.parse(fs.readFileSync(path.join(root, 'cdk.json'), 'utf8')) as {
    context: Record<string, unknown>;
  };
  const app = new App({
    context: { ...context, '@aws-cdk/core:validateAgainstDefaultRules': false },
    analyticsReporting: false,
    outdir: assembly('sound'),
  });
  buildStacks(app, {
    plan,
    names,
    functionCode: await buildLambdas(plan),
    image: `${plan.account}.dkr.ecr.{region}.amazonaws.com/holdfast@sha256:${'0'.repeat(64)}`,
    bootstrapQualifier: 'hnb659fds',
  });
  app.synth();
}

/** The same, failing in one stack after all else in it is made: by a role whose name is taken. */
function spoil(stack: StackName): void {
  fs.cpSync(assembly('sound'), assembly(stack), { recursive: true });
  const inAssembly = (file: string) => path.join(assembly(stack), file);
  const template = `${names.stack(stack)}.template.json`;
  const { Resources, ...rest } = JSON.parse(fs.readFileSync(inAssembly(template), 'utf8')) as {
    Resources: Record<string, object>;
  };
  const NameThatIsTaken = {
    Type: 'AWS::IAM::Role',
    DependsOn: Object.keys(Resources),
    Properties: {
      RoleName: `cdk-hnb659fds-cfn-exec-role-${plan.account}-${plan.regions.primary}`,
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sts:AssumeRole' },
        ],
      },
    },
  };
  const spoilt = JSON.stringify({ ...rest, Resources: { ...Resources, NameThatIsTaken } });
  fs.writeFileSync(inAssembly(template), spoilt);
  // It is uploaded under its hash.
  const assets = `${names.stack(stack)}.assets.json`;
  const { files } = JSON.parse(fs.readFileSync(inAssembly(assets), 'utf8')) as {
    files: Record<string, { source: { path: string } }>;
  };
  const [hash = ''] = Object.entries(files).find(([, { source }]) => source.path === template) ?? [];
  for (const file of [assets, 'manifest.json']) {
    const text = fs.readFileSync(inAssembly(file), 'utf8');
    fs.writeFileSync(
      inAssembly(file),
      text.replaceAll(hash, createHash('sha256').update(spoilt).digest('hex')),
    );
  }
}

const deploy = (which: StackName | 'sound', stacks: readonly string[], ...flags: string[]) =>
  cdk('deploy', ...stacks, '--app', assembly(which), '--require-approval', 'never', ...flags);

async function run(machine: StateMachineName, region: string, input: object) {
  const sfn = new SFNClient(settings(region));
  const { executionArn } = await sfn.send(
    new StartExecutionCommand({
      stateMachineArn: names.stateMachineArn(machine, region),
      input: JSON.stringify(input),
    }),
  );
  const ended = await waitFor(async () => {
    const now = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (now.status === 'RUNNING') throw new Error(`${machine} is running`);
    return now;
  }, 120);
  expect([ended.status, ended.error, ended.cause]).toEqual(['SUCCEEDED', undefined, undefined]);
}

const keyIds = async () =>
  Promise.all(
    [plan.regions.primary, plan.regions.standby].flatMap((region) =>
      [names.vaultKeyAlias, names.signingKeyAlias].map(async (KeyId) => {
        const { KeyMetadata } = await new KMSClient(settings(region)).send(new DescribeKeyCommand({ KeyId }));
        return KeyMetadata?.Arn;
      }),
    ),
  );

beforeAll(async () => {
  const document = parseDocument(fs.readFileSync(path.join(root, 'examples/drill.yaml'), 'utf8'));
  document.set('name', 'again');
  fs.writeFileSync(path.join(folder, 'holdfast.yaml'), document.toString());
  plan = await loadPlan(path.join(folder, 'holdfast.yaml'));
  names = deploymentNames(plan);
  [sandbox, server] = await Promise.all([startSandbox(), startPostgres()]);
  const { primary, standby } = plan.regions;
  const bootstrap = [primary, standby].map((region) =>
    cdk('bootstrap', `aws://${plan.account}/${region}`, '--app', ''),
  );
  await synthesize();
  stackNames.forEach(spoil);
  await Promise.all([...bootstrap, loadShop(server, { database: 'shop_db', scale: 0.01 })]);
}, 240_000);
afterAll(async () => {
  await Promise.all([sandbox.down(), server.destroy()]);
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('a first deployment', () => {
  it('that fails half-way in any stack is repeated with success', async () => {
    for (const [index, stack] of stackNames.entries()) {
      // The one before, which failed the last time, and then this one, which fails.
      const both = stackNames.slice(Math.max(0, index - 1), index + 1).map((one) => names.stack(one));
      const failed = await deploy(stack, both, '--exclusively').then(
        () => 'deployed',
        (error: Error) => error.message,
      );
      expect([stack, failed]).toEqual([stack, expect.stringMatching(/cfn-exec-role-.*already exists/)]);
    }
    await deploy('sound', ['--all']);
    await readBack(sandbox, plan);
  }, 300_000);
});

describe('cdk destroy', () => {
  let before: Awaited<ReturnType<typeof keyIds>>;

  it('keeps buckets, locks, policies, replication, keys and catalogue', async () => {
    const { primary, standby } = plan.regions;
    const secret = (region: string, Name: string, database: string) =>
      new SecretsManagerClient(settings(region)).send(
        new CreateSecretCommand({ Name, SecretString: JSON.stringify(server.connectionTo(database)) }),
      );
    await secret(primary, 'shop-db/backup', 'shop_db');
    await secret(standby, 'shop-db/restored', 'shop_db_restored');
    await run('backup', primary, { source: 'shop-db' });
    before = await keyIds();

    await cdk('destroy', '--all', '--app', assembly('sound'), '--force');

    // All that acts is gone, in both Regions; of what must outlive it nothing is missing.
    await expect(readBack(sandbox, plan)).rejects.toMatchObject({
      message: [
        'the deployment lacks what the product relies on:',
        `${primary}: the three state machines`,
        `${primary}: the task definitions`,
        `${standby}: the three state machines`,
        `${standby}: the task definitions`,
      ].join('\n  '),
    });
  }, 240_000);

  it('is in the way of a deployment that takes nothing over', async () => {
    await expect(deploy('sound', [names.stack('Catalog')], '--exclusively')).rejects.toMatchObject({
      message: expect.stringContaining(`'${names.table}' already exists`),
    });
  }, 120_000);

  it('is followed by a deployment that takes over what was kept, and restores an old point', async () => {
    await deploy('sound', ['--all'], '--import-existing-resources', '--concurrency', '3');
    await readBack(sandbox, plan);
    expect(await keyIds()).toEqual(before);
    const { standby } = plan.regions;
    const catalog = createDynamoCatalogStore({
      client: new DynamoDBClient(settings(standby)),
      table: names.table,
    });
    const points = await catalog.listRecoveryPoints({ source: 'shop-db' });
    expect(points.map(({ state }) => state)).toEqual(['protected']);

    await sql(server, 'postgres', 'create database shop_db_restored');
    await run('restore', standby, {
      source: 'shop-db',
      recoveryPoint: points[0]?.id,
      target: 'shop-db-restored',
    });
    const rows = (database: string) =>
      sql(server, database, 'select count(*) as n, sum(id) as ids from shop.customers');
    expect(await rows('shop_db_restored')).toEqual(await rows('shop_db'));
  }, 240_000);
});
