import fs from 'node:fs';
import path from 'node:path';
import { CloudFormationClient, CreateStackCommand, DeleteStackCommand } from '@aws-sdk/client-cloudformation';
import { CloudTrailClient, DeleteTrailCommand, StopLoggingCommand } from '@aws-sdk/client-cloudtrail';
import { CreateRepositoryCommand, DeleteRepositoryCommand, ECRClient } from '@aws-sdk/client-ecr';
import { DisableKeyCommand, KMSClient, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms';
import {
  DeleteBucketReplicationCommand,
  GetBucketReplicationCommand,
  PutBucketReplicationCommand,
  type ReplicationConfiguration,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DeleteStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { ListSubscriptionsCommand, SNSClient, UnsubscribeCommand } from '@aws-sdk/client-sns';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadPlan } from '../core/plan/load-plan.ts';
import { deploymentNames } from '../core/plan/names.ts';
import { type Router, startRouter } from '../sandbox/router/router.ts';
import { type EmulatedDeployment, emulateDeployment, putImage } from './testing/emulated-deployment.ts';
import { runFix } from './testing/run-fix.ts';
import { password, type Shop, startShop } from './testing/shop.ts';

const example = path.resolve(import.meta.dirname, '../examples/drill.yaml');
const plan = await loadPlan(example);
const names = deploymentNames(plan);
const { primary, standby } = plan.regions;
let shop: Shop;
let deployment: EmulatedDeployment;
let router: Router;
let planFile: string;
let files: Record<'source' | 'target', string>;

interface Check {
  readonly what: string;
  readonly region: string;
  readonly state: 'ok' | 'FAULT' | 'unknown';
  readonly detail: string;
  readonly fix?: string;
}
interface Told {
  readonly code: number | null;
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly faults: readonly Check[];
}

async function doctor(args = '', env: Record<string, string> = {}, file = planFile): Promise<Told> {
  const { code, json } = await shop.cli(`doctor --plan ${file} --json${args}`, {
    env: { ...deployment.aws.environment, AWS_ENDPOINT_URL: router.endpoint, ...env },
  });
  const { ok, checks } = json() as { ok: boolean; checks: Check[] };
  const faults = checks.filter(({ state }) => state !== 'ok');
  return { code, ok, checks, faults };
}
const client = <C>(made: new (settings: object) => C, region: string) =>
  new made(deployment.settings(region));
const s3 = (region: string) => new S3Client({ ...deployment.settings(region), forcePathStyle: true });
const secret = (dbname: string, more: object = {}) =>
  JSON.stringify({
    host: '127.0.0.1',
    port: shop.server.connection.port,
    dbname,
    username: 'postgres',
    password,
    ...more,
  });
const put = (region: string, SecretId: string, SecretString: string) =>
  client(SecretsManagerClient, region).send(new PutSecretValueCommand({ SecretId, SecretString }));

beforeAll(async () => {
  [shop, deployment] = await Promise.all([startShop(), emulateDeployment(plan)]);
  router = await startRouter({ upstream: deployment.aws.endpoint });
  planFile = path.join(shop.home, 'drill.yaml');
  fs.copyFileSync(example, planFile);
  await shop.query('postgres', 'create database restored');
  files = { source: path.join(shop.home, 'source.json'), target: path.join(shop.home, 'target.json') };
  fs.writeFileSync(files.source, secret('shop'));
  fs.writeFileSync(files.target, secret('restored'));
  for (const region of [primary, standby]) {
    await put(region, 'shop-db/backup', secret('shop'));
    await put(region, 'shop-db/restored', secret('restored'));
  }
});
afterEach(() => {
  router.faults.clear();
  for (const region of router.deadRegions()) router.reviveRegion(region);
});
afterAll(async () => {
  await router?.close();
  await deployment?.aws.stop();
  await shop?.destroy();
});

describe('doctor before anything else', () => {
  it('is content with a deployment that is whole, databases included', async () => {
    const { code, ok, checks, faults } = await doctor();
    expect(faults).toEqual([]);
    expect([code, ok]).toEqual([0, true]);
    expect(checks.filter(({ what }) => what.startsWith('connection'))).toMatchObject([
      {
        what: 'connection to source shop-db',
        detail: expect.stringMatching(/lets postgres in from this machine$/),
      },
      { what: 'connection to target shop-db-restored', detail: expect.stringMatching(/; empty$/) },
    ]);
  });

  it('tells of credentials that are missing, over or of another account once, and judges nothing else', async () => {
    const [none, other] = await Promise.all([
      doctor('', {
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_EC2_METADATA_DISABLED: 'true',
      }),
      doctor('', { AWS_ACCESS_KEY_ID: '999988887777' }),
    ]);
    router.faults.add({ service: 'sts', effect: 'expired' });
    const over = await doctor();
    for (const { code, ok, checks } of [none, over, other]) {
      expect([code, ok]).toEqual([1, false]);
      expect(checks.map(({ what, state }) => [what, state])).toEqual([
        ['plan', 'ok'],
        ['credentials', 'FAULT'],
      ]);
    }
    expect(none.faults[0]).toMatchObject({
      detail: expect.stringContaining('there are none'),
      fix: expect.stringContaining('aws sso login'),
    });
    expect(over.faults[0]).toMatchObject({ detail: expect.stringMatching(/^AWS refuses them \(/) });
    expect(other.faults[0]).toMatchObject({
      detail: `these are of account 999988887777, the plan is for ${plan.account}`,
      fix: expect.stringContaining(`name another plan than ${planFile}`),
    });
  });

  it('tells of a dead Region in one line, and judges the other', async () => {
    router.killRegion(primary);
    const { code, checks, faults } = await doctor();
    expect([code, faults]).toMatchObject([
      1,
      [
        {
          what: 'Region',
          region: primary,
          state: 'FAULT',
          detail: `${primary} does not answer; what needs it was not looked at`,
          fix: expect.stringContaining(`recover in ${standby}: docs/runbook.md`),
        },
      ],
    ]);
    expect(checks.filter(({ region, state }) => region === standby && state === 'ok').length).toBeGreaterThan(
      12,
    );
  });

  it('asks the Region of --region and no other', async () => {
    router.resetCounts();
    const { code, faults } = await doctor(` --region ${standby}`);
    expect([code, faults]).toEqual([0, []]);
    const asked = router.calls();
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter(({ region }) => region !== standby)).toEqual([]);
  });

  it('says that no test page went out where there is no topic, or no answer', async () => {
    const other = path.join(shop.home, 'pageless.yaml');
    fs.writeFileSync(other, fs.readFileSync(example, 'utf8').replace('name: drill', 'name: pageless'));
    const undeployed = await doctor(` --page --region ${standby}`, {}, other);
    router.killRegion(primary);
    const [dead, there] = [await doctor(' --page'), await doctor(` --page --region ${standby}`)];
    for (const [{ code, checks }, region] of [
      [undeployed, standby],
      [dead, primary],
    ] as const)
      expect([code, checks.filter(({ what }) => what === 'test page')]).toMatchObject([
        1,
        [{ state: 'FAULT', region, detail: `not published: in ${region} there is no topic that answers` }],
      ]);
    const page = dead.checks.find(({ what }) => what === 'test page');
    expect(page?.fix).toContain(`holdfast doctor --page --plan ${planFile} --region ${standby}`);
    expect(there.checks.filter(({ what }) => what === 'test page')).toMatchObject([
      { state: 'ok', region: standby, detail: expect.stringMatching(/^published as /) },
    ]);
  });

  it('tells of services that do not answer in one line, and never counts what it may not see as fine', async () => {
    router.faults.add({ region: standby, service: 'kms', effect: 'reset' });
    router.faults.add({ region: standby, service: 'secretsmanager', effect: 'deny' });
    const { code, ok, faults } = await doctor(` --region ${standby}`);
    expect([code, ok]).toEqual([1, false]);
    expect(faults.filter(({ state }) => state === 'FAULT')).toMatchObject([
      {
        what: 'services',
        detail: expect.stringMatching(
          /^no answer about alias\/holdfast-drill-vault, alias\/holdfast-drill-signing, replication of /,
        ),
      },
    ]);
    expect(faults).toContainEqual(
      expect.objectContaining({
        what: 'secret shop-db/backup of source shop-db',
        state: 'unknown',
        detail: expect.stringMatching(/^not looked at: these credentials may not/),
      }),
    );
  });
});

interface Case {
  readonly what: string;
  readonly region: string;
  readonly detail: RegExp;
  break(): Promise<unknown>;
  /** Words in capitals that the reader of the fix puts something else for. */
  readonly fill?: () => Record<string, string>;
  /** For fixes that deploy: what they say, and what a deployment would do. */
  readonly deploys?: { readonly fix: () => string; readonly by: () => Promise<unknown> };
}
const kept = new Map<string, ReplicationConfiguration>();
const keepAnd = async (region: string, change: (found: ReplicationConfiguration) => Promise<unknown>) => {
  const Bucket = names.vaultBucket(region);
  const found = (await s3(region).send(new GetBucketReplicationCommand({ Bucket }))).ReplicationConfiguration;
  kept.set(region, found!);
  await change(structuredClone(found!));
};
const putReplication = (region: string, ReplicationConfiguration = kept.get(region)) =>
  s3(region).send(
    new PutBucketReplicationCommand({ Bucket: names.vaultBucket(region), ReplicationConfiguration }),
  );
const revert = () => `npx cdk deploy --all -c plan=${planFile} --revert-drift`;

/** Each round breaks things that do not hide one another, and runs doctor twice: before and after the fixes. */
const rounds: Record<string, Case>[] = [
  {
    'a disabled key': {
      what: names.vaultKeyAlias,
      region: standby,
      detail: /^is Disabled$/,
      break: () =>
        client(KMSClient, standby).send(new DisableKeyCommand({ KeyId: deployment.vaultKeyIds[standby] })),
    },
    'a secret that is scheduled for deletion': {
      what: 'secret shop-db/backup of source shop-db',
      region: primary,
      detail: /^is scheduled for deletion$/,
      break: () =>
        client(SecretsManagerClient, primary).send(new DeleteSecretCommand({ SecretId: 'shop-db/backup' })),
    },
    'a target without a secret': {
      what: 'secret shop-db/restored of target shop-db-restored',
      region: standby,
      detail: /^is not there$/,
      break: () =>
        client(SecretsManagerClient, standby).send(
          new DeleteSecretCommand({ SecretId: 'shop-db/restored', ForceDeleteWithoutRecovery: true }),
        ),
      fill: () => ({ FILE: files.target }),
    },
    'nobody who hears alarms': {
      what: `subscriptions of ${names.alarmTopic}`,
      region: primary,
      detail: /^nobody would hear an alarm$/,
      break: async () => {
        const sns = client(SNSClient, primary);
        for (const { SubscriptionArn } of (await sns.send(new ListSubscriptionsCommand({}))).Subscriptions ??
          [])
          await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
      },
      fill: () => ({ email: 'sqs', ADDRESS: `arn:aws:sqs:${primary}:${plan.account}:pager` }),
    },
    'replication that somebody removed': {
      what: `replication of ${names.vaultBucket(primary)}`,
      region: primary,
      detail: /^nothing is copied$/,
      break: () =>
        keepAnd(primary, () =>
          s3(primary).send(new DeleteBucketReplicationCommand({ Bucket: names.vaultBucket(primary) })),
        ),
      deploys: { fix: revert, by: () => putReplication(primary) },
    },
    'replication that somebody switched off, back from the standby': {
      what: `replication of ${names.vaultBucket(standby)}`,
      region: standby,
      detail: /^its rule is Disabled$/,
      break: () =>
        keepAnd(standby, async (found) => {
          found.Rules![0]!.Status = 'Disabled';
          await putReplication(standby, found);
        }),
      deploys: {
        fix: () => `npx cdk deploy --all -c plan=${planFile}`,
        by: () => putReplication(standby),
      },
    },
  },
  {
    'a key that is about to be deleted': {
      what: names.vaultKeyAlias,
      region: standby,
      detail: /^is PendingDeletion$/,
      break: () =>
        client(KMSClient, standby).send(
          new ScheduleKeyDeletionCommand({ KeyId: deployment.vaultKeyIds[standby] }),
        ),
    },
    'a secret that is missing in one Region': {
      what: 'secret shop-db/backup of source shop-db',
      region: standby,
      detail: /^is not there$/,
      break: () =>
        client(SecretsManagerClient, standby).send(
          new DeleteSecretCommand({ SecretId: 'shop-db/backup', ForceDeleteWithoutRecovery: true }),
        ),
    },
    'a secret that does not fit': {
      what: 'secret shop-db/restored of target shop-db-restored',
      region: standby,
      detail: /^secret shop-db\/restored does not fit: host, username$/,
      break: () => put(standby, 'shop-db/restored', '{"dbname":"restored"}'),
      fill: () => ({ FILE: files.target }),
    },
    'replication to another bucket': {
      what: `replication of ${names.vaultBucket(primary)}`,
      region: primary,
      detail: /^copies as arn:aws:iam::\d+:role\/other, not as /,
      break: () =>
        keepAnd(primary, (found) =>
          putReplication(primary, { ...found, Role: `arn:aws:iam::${plan.account}:role/other` }),
        ),
      deploys: { fix: revert, by: () => putReplication(primary) },
    },
  },
  {
    'two secrets that name one database': {
      what: 'database of target shop-db-restored',
      region: standby,
      detail: /^is that of source shop-db: 127\.0\.0\.1:\d+\/shop$/,
      break: async () => put(standby, 'shop-db/restored', secret('shop', { username: 'someone' })),
      fill: () => ({ FILE: files.target }),
    },
  },
];

describe.each(rounds.map((round) => [round]))('doctor and faults that do not hide one another', (round) => {
  let sick: Told;
  const of = (fault: Case) =>
    sick.faults.filter(({ what, region }) => what === fault.what && region === fault.region);
  beforeAll(async () => {
    for (const fault of Object.values(round)) await fault.break();
    sick = await doctor();
  });

  it.each(Object.entries(round))('%s: named once, with a fix that can be done', async (_, fault) => {
    const found = of(fault);
    expect(found).toMatchObject([{ state: 'FAULT', detail: expect.stringMatching(fault.detail) }]);
    const fix = found[0]?.fix ?? '';
    expect(fix).toBe(fault.deploys?.fix() ?? fix);
    await (fault.deploys?.by() ?? runFix(fix, deployment.settings, fault.fill?.()));
  });

  it('names nothing else, and the fixes end it all', async () => {
    expect(sick.code).toBe(1);
    // What follows from them may be unknown, but is no further fault.
    const known = Object.values(round).flatMap(of);
    const others = sick.faults.filter((one) => !known.includes(one) && one.state === 'FAULT');
    expect(others.map(({ what }) => what).filter((what) => !what.startsWith('connection to target'))).toEqual(
      [],
    );
    expect((await doctor()).faults).toEqual([]);
  });
});

describe('doctor and one fault', () => {
  it('a stack that is missing or of another plan: deploys, and says whose plan', async () => {
    const StackName = names.stack('ControlStandby');
    const cloudFormation = client(CloudFormationClient, standby);
    await cloudFormation.send(new DeleteStackCommand({ StackName }));
    const gone = await doctor(` --region ${standby}`);
    const fix = `npx cdk deploy --all -c plan=${planFile}`;
    expect(gone.faults).toMatchObject([
      { what: `stack ${StackName}`, state: 'FAULT', detail: 'is not there', fix },
    ]);
    const Resources = { Nothing: { Type: 'AWS::CloudFormation::WaitConditionHandle' } };
    const make = (Value: string) => {
      const TemplateBody = JSON.stringify({ Resources, Outputs: { PlanFingerprint: { Value } } });
      return cloudFormation.send(new CreateStackCommand({ StackName, TemplateBody }));
    };
    await make('0123456789abcdef');
    const other = await doctor(` --region ${standby}`);
    expect(other.faults).toMatchObject([
      {
        state: 'FAULT',
        detail: expect.stringMatching(/^was deployed for another plan \(0123456789abcdef\) than /),
        fix,
      },
    ]);
    const [, own = ''] = /is now \((\w{16})\)/.exec(other.faults[0]!.detail) ?? [];
    await cloudFormation.send(new DeleteStackCommand({ StackName }));
    await make(own);
    expect((await doctor(` --region ${standby}`)).faults).toEqual([]);
  });

  it('an image that the registry lost, and a target that holds data', async () => {
    const ecr = client(ECRClient, standby);
    await ecr.send(new DeleteRepositoryCommand({ repositoryName: 'holdfast', force: true }));
    await shop.query('restored', 'create table left_over (id int)');
    const { faults } = await doctor(` --region ${standby}`);
    expect(faults).toMatchObject([
      {
        what: 'image of the tasks',
        state: 'FAULT',
        detail: expect.stringMatching(/^holdfast has no sha256:\w{12}…$/),
        fix: `npm run image:push -- --plan ${planFile} && npx cdk deploy --all -c plan=${planFile}`,
      },
      {
        what: 'connection to target shop-db-restored',
        state: 'FAULT',
        detail: expect.stringContaining('holds 1 object: table public.left_over'),
        fix: expect.stringContaining('make a new database'),
      },
    ]);
    await shop.query('restored', 'drop table left_over');
    await ecr.send(new CreateRepositoryCommand({ repositoryName: 'holdfast' }));
    await putImage(ecr);
  });

  it('a target whose server refuses the password, or whom nobody reaches from here', async () => {
    await put(standby, 'shop-db/restored', secret('restored', { password: 'wrong' }));
    const refused = await doctor(` --region ${standby}`);
    await put(standby, 'shop-db/restored', secret('restored', { port: 1 }));
    const silent = await doctor(` --region ${standby}`);
    await put(standby, 'shop-db/restored', secret('restored'));
    const of = ({ faults }: Told) =>
      faults.filter(({ what }) => what === 'connection to target shop-db-restored');
    expect([refused.code, of(refused)]).toMatchObject([
      1,
      [{ state: 'FAULT', detail: expect.stringContaining('password authentication failed') }],
    ]);
    expect([silent.code, silent.ok, of(silent)]).toMatchObject([
      6,
      false,
      [{ state: 'unknown', detail: expect.stringContaining('from this machine') }],
    ]);
  });

  it('a trail that is switched off or gone', async () => {
    const trail = client(CloudTrailClient, primary);
    await trail.send(new StopLoggingCommand({ Name: 'organisation' }));
    expect((await doctor(` --region ${standby}`)).faults).toMatchObject([
      { what: 'CloudTrail trail', detail: expect.stringContaining('organisation is switched off') },
    ]);
    await trail.send(new DeleteTrailCommand({ Name: 'organisation' }));
    const [gone] = (await doctor(` --region ${standby}`)).faults;
    const command = gone?.fix?.slice(gone.fix.indexOf('aws cloudtrail')) ?? '';
    await runFix(command, deployment.settings, { BUCKET: 'trail' });
    expect((await doctor(` --region ${standby}`)).faults).toEqual([]);
  });

  it('a state machine that somebody deleted, and a Region in which nothing is deployed', async () => {
    const stateMachineArn = names.stateMachineArn('restore', standby);
    await client(SFNClient, standby).send(new DeleteStateMachineCommand({ stateMachineArn }));
    expect((await doctor(` --region ${standby}`)).faults).toMatchObject([
      { what: 'state machine restore', state: 'FAULT', detail: 'is not there', fix: revert() },
    ]);
    const other = path.join(shop.home, 'other.yaml');
    fs.writeFileSync(other, fs.readFileSync(example, 'utf8').replace('name: drill', 'name: other'));
    const { json } = await shop.cli(`doctor --plan ${other} --json --region ${standby}`, {
      env: deployment.aws.environment,
    });
    expect(json().checks.filter(({ state }: Check) => state === 'FAULT')).toMatchObject([
      {
        what: 'deployment',
        detail: 'holdfast-other is not deployed here; what belongs to it was not looked at',
        fix: `npx cdk deploy --all -c plan=${other}`,
      },
    ]);
  });
});
