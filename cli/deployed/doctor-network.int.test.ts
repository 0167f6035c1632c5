import {
  AssociateRouteTableCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  EC2Client,
} from '@aws-sdk/client-ec2';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { RequestServiceQuotaIncreaseCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { type Router, startRouter } from '../../sandbox/router/router.ts';
import { runFix } from '../testing/run-fix.ts';
import type { Deployment } from './deployment.ts';
import { checkSurroundings } from './doctor-checks.ts';
import { type Finding, foldSilence } from './doctor-look.ts';

const planFile = path.resolve(import.meta.dirname, '../../examples/drill.yaml');
const example = await loadPlan(planFile);
const { primary: region, standby } = example.regions;
const secret = 'heartbeat/address';
const account = { accessKeyId: example.account, secretAccessKey: 'test' };
const before = { ...process.env };
let aws: LocalAws;
let router: Router;
let ec2: EC2Client;
let secrets: SecretsManagerClient;
let vpcId: string;
let otherVpcId: string;

beforeAll(async () => {
  aws = await startAws();
  router = await startRouter({ upstream: aws.endpoint });
  Object.assign(process.env, aws.environment, {
    AWS_ENDPOINT_URL: router.endpoint,
    AWS_ACCESS_KEY_ID: example.account,
  });
  ec2 = new EC2Client(settings());
  secrets = new SecretsManagerClient(settings());
  [vpcId, otherVpcId] = [await makeVpc('10.1.0.0/16'), await makeVpc('10.2.0.0/16')];
});
afterEach(() => router.faults.clear());
afterAll(async () => {
  await router?.close();
  await aws?.stop();
  process.env = before;
});

const settings = () => ({ region, endpoint: aws.endpoint, credentials: account });
const makeVpc = async (CidrBlock: string) =>
  (await ec2.send(new CreateVpcCommand({ CidrBlock }))).Vpc?.VpcId ?? '';
let subnets = 0;
/** A subnet with a route table of its own, and its way out if it has one. */
async function makeSubnet(VpcId: string, out?: { NatGatewayId?: string; GatewayId?: string }) {
  const CidrBlock = `10.1.${subnets++}.0/24`;
  const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock }));
  const { RouteTable } = await ec2.send(new CreateRouteTableCommand({ VpcId }));
  const RouteTableId = RouteTable?.RouteTableId ?? '';
  const id = Subnet?.SubnetId ?? '';
  await ec2.send(new AssociateRouteTableCommand({ RouteTableId, SubnetId: id }));
  const route = { RouteTableId, DestinationCidrBlock: '0.0.0.0/0', ...out };
  if (out !== undefined) await ec2.send(new CreateRouteCommand(route));
  return { id, table: RouteTableId };
}
async function makeGroup(VpcId: string) {
  const order = { VpcId, GroupName: `tasks-${VpcId}`, Description: 'tasks' };
  return (await ec2.send(new CreateSecurityGroupCommand(order))).GroupId ?? '';
}
async function look(change: Partial<Plan>): Promise<Finding[]> {
  const plan: Plan = { ...example, ...change };
  const names = deploymentNames(plan);
  const deployment: Deployment = { plan, planFile, region, peerRegion: standby, names };
  return checkSurroundings(deployment, region);
}
async function lookAtNetwork(subnetIds: string[], securityGroupIds: string[]): Promise<Finding[]> {
  const azs = subnetIds.map(() => `${region}a`);
  const found = await look({ network: { [region]: { vpcId, subnetIds, azs, securityGroupIds } } });
  return found.filter(({ what }) => /^(subnet|security group|network)/.test(what));
}
const told = (found: readonly Finding[]) => found.map(({ what, state, detail }) => [what, state, detail]);

describe('the look at the network of the plan', () => {
  it('tells what is there, what is not and what is of another VPC', async () => {
    const nat = await makeSubnet(vpcId, { NatGatewayId: 'nat-1' });
    const [own, foreign] = [await makeGroup(vpcId), await makeGroup(otherVpcId)];
    const stray = await makeSubnet(otherVpcId, { NatGatewayId: 'nat-1' });
    const found = await lookAtNetwork([nat.id, stray.id, 'subnet-00000000'], [own, foreign, 'sg-00000000']);
    const elsewhere = `belongs to ${otherVpcId}, not to ${vpcId}`;
    expect(told(found)).toEqual([
      [`subnet ${nat.id}`, 'ok', 'goes out by nat-1'],
      [`subnet ${stray.id}`, 'FAULT', elsewhere],
      ['subnet subnet-00000000', 'FAULT', 'is not there'],
      [`security group ${own}`, 'ok', `of ${vpcId}`],
      [`security group ${foreign}`, 'FAULT', elsewhere],
      ['security group sg-00000000', 'FAULT', 'is not there'],
      [
        `network beyond ${vpcId}`,
        'unknown',
        expect.stringMatching(/^not looked at: rules of security groups/),
      ],
    ]);
    expect(found[2]?.fix).toBe(
      `correct network.${region} in ${planFile}, then npx cdk deploy --all -c plan=examples/drill.yaml`,
    );
  });

  it('takes no internet gateway for a way out of tasks without a public address; its fix ends it', async () => {
    const open = await makeSubnet(vpcId, { GatewayId: 'igw-1' });
    const shut = await makeSubnet(vpcId);
    const group = 'sg-00000000';
    const [one, two] = await lookAtNetwork([open.id, shut.id], [group]);
    const lacks =
      'and there are no VPC endpoints for ecr.api, ecr.dkr, s3, logs, kms, secretsmanager, dynamodb';
    expect([one, two]).toMatchObject([
      {
        state: 'FAULT',
        detail: `goes out by igw-1, which takes public addresses only, and tasks get none, ${lacks}`,
      },
      { state: 'FAULT', detail: `${shut.table} has no route to 0.0.0.0/0, ${lacks}` },
    ]);
    await runFix(two?.fix ?? '', settings);
    const [still, mended] = await lookAtNetwork([open.id, shut.id], [group]);
    // Interface endpoints serve the whole VPC, gateway endpoints a route table.
    expect(still).toMatchObject({ detail: expect.stringMatching(/no VPC endpoints for s3, dynamodb$/) });
    expect(mended).toMatchObject({ state: 'ok', detail: 'reaches what tasks need by VPC endpoints' });
    await runFix(still?.fix ?? '', settings);
    expect(await lookAtNetwork([open.id], [group])).toMatchObject([{ state: 'ok' }, {}, {}]);
  });

  it('judges nothing that it may not see, or that does not answer', async () => {
    router.faults.add({ service: 'ec2', effect: 'deny' });
    const denied = await lookAtNetwork(['subnet-1'], ['sg-1']);
    router.faults.clear();
    router.faults.add({ service: 'ec2', effect: 'reset' });
    const silent = await lookAtNetwork(['subnet-1'], ['sg-1']);
    expect(told(denied).slice(0, 2)).toEqual([
      ['subnet subnet-1', 'unknown', expect.stringMatching(/^not looked at: these credentials may not/)],
      ['security group sg-1', 'unknown', expect.stringMatching(/^not looked at: these credentials may not/)],
    ]);
    expect(foldSilence(silent)).toContainEqual(
      expect.objectContaining({ detail: 'no answer about subnet subnet-1, security group sg-1' }),
    );
  });
});

describe('the look at what else a plan takes for granted', () => {
  const heartbeat = async () => {
    const found = await look({
      notifications: { pager: { sns: true, heartbeat: { secret, everySeconds: 900 } } },
    });
    return found.find(({ what }) => what === `secret ${secret} of heartbeat pager`);
  };

  it("finds a heartbeat's secret, or tells how to make, restore or fill it", async () => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-doctor-')), 'address');
    fs.writeFileSync(file, 'https://example.com/beat');
    expect(await heartbeat()).toMatchObject({
      state: 'FAULT',
      detail: 'is not there',
      fix: expect.stringMatching(`^aws secretsmanager create-secret --region ${region} --name ${secret} `),
    });
    await secrets.send(new CreateSecretCommand({ Name: secret, SecretString: 'later' }));
    const empty = await heartbeat();
    expect(empty).toMatchObject({ state: 'FAULT', detail: 'holds no address that begins with https://' });
    await runFix(empty?.fix ?? '', settings, { FILE: file });
    expect(await heartbeat()).toMatchObject({ state: 'ok', detail: 'holds an address' });
    await secrets.send(new DeleteSecretCommand({ SecretId: secret }));
    const gone = await heartbeat();
    expect(gone).toMatchObject({ state: 'FAULT', detail: 'is scheduled for deletion' });
    await runFix(gone?.fix ?? '', settings);
    expect(await heartbeat()).toMatchObject({ state: 'ok' });
    await secrets.send(new PutSecretValueCommand({ SecretId: secret, SecretString: 'http://plain' }));
    expect(await heartbeat()).toMatchObject({ state: 'FAULT' });
    fs.rmSync(path.dirname(file), { recursive: true });
  });

  it('holds the quota of Fargate against all jobs at once, the default where none was applied', async () => {
    const quota = async () => (await look({})).find(({ what }) => what === 'quota of Fargate');
    const need = 'the jobs of all sources at once take 6 (a backup or restore 2, a restore test 4)';
    expect(await quota()).toMatchObject({ state: 'ok', detail: `4000 vCPU; ${need}` });
    const order = { ServiceCode: 'fargate', QuotaCode: 'L-3032A538', DesiredValue: 5 };
    await new ServiceQuotasClient(settings()).send(new RequestServiceQuotaIncreaseCommand(order));
    const small = await quota();
    expect(small).toMatchObject({ state: 'FAULT', detail: `is 5 vCPU; ${need}` });
    await runFix(small?.fix ?? '', settings);
    expect(await quota()).toMatchObject({ state: 'ok', detail: `6 vCPU; ${need}` });
    router.faults.add({ service: 'servicequotas', effect: 'deny' });
    expect(await quota()).toMatchObject({
      state: 'unknown',
      detail: expect.stringMatching(/^not looked at: these credentials may not/),
    });
  });
});
