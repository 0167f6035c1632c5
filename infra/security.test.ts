import fs from 'node:fs';
import path from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedResource } from './testing/resolve.ts';
import { administrator, simulate } from './testing/simulate.ts';
import { examplePlan, testStacks } from './testing/test-app.ts';

let app: App;
let resources: readonly ResolvedResource[];
beforeAll(async () => {
  ({ app, resources } = testStacks(await examplePlan('acme')));
});

const ofType = (type: string) => {
  const found = resources.filter((one) => one.type === type);
  expect(found.length, type).toBeGreaterThan(0);
  return found.map(({ properties }) => properties);
};
const statements = () =>
  ['AWS::IAM::Policy', 'AWS::IAM::Role'].flatMap((type) =>
    resources
      .filter((one) => one.type === type)
      .flatMap(({ properties }) => [
        ...(properties['PolicyDocument']?.Statement ?? []),
        ...(properties['Policies'] ?? []).flatMap((one: any) => one.PolicyDocument.Statement),
      ]),
  );
const listOf = (value: unknown): string[] => [value].flat() as string[];

describe('cdk-nag AwsSolutions', () => {
  it.each(['acme', 'drill', 'minimal', 'rds-iam'] as const)('finds nothing in %s', async (name) => {
    const { app: one } = testStacks(await examplePlan(name));
    expect(new AwsSolutionsChecks(one).validateScope(one).violations).toEqual([]);
  });

  it('would fail the synthesis', () => {
    const bad = new App({ context: { '@aws-cdk/core:failSynthOnValidationErrors': true } });
    new s3.Bucket(new Stack(bad, 'Bad'), 'Open');
    Validations.of(bad).addPlugins(new AwsSolutionsChecks(bad));
    expect(() => bad.synth()).toThrow(/AwsSolutions-S1/);
  });

  it('has no acknowledgement that nothing needs', async () => {
    const checks = new AwsSolutionsChecks(app);
    Object.assign(checks, { isAcknowledged: () => false });
    const needed = checks
      .validateScope(app)
      .violations.flatMap(({ ruleName, violatingResources }) =>
        violatingResources.map((one) => ({ ruleName, path: String(one.constructPath) })),
      );
    const acknowledged = acknowledgements(app).filter(({ id }) => id.startsWith('AwsSolutions-'));
    expect(acknowledged.length).toBeGreaterThan(10);
    const stale = acknowledged.filter(
      ({ id, path: scope }) =>
        !needed.some(({ ruleName, path: at }) => ruleName === id && at.startsWith(`${scope}/`)),
    );
    expect(stale).toEqual([]);
  });

  it('is acknowledged with evidence, never with a word', () => {
    for (const { id, reason } of acknowledgements(app)) expect([id, reason.length > 40]).toEqual([id, true]);
  });
});

function acknowledgements(root: IConstruct) {
  return root.node.findAll().flatMap((construct) =>
    construct.node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) =>
        Object.entries(data as Record<string, string>).map(([id, reason]) => ({
          id: id.replace(/^annotation::/i, ''),
          reason,
          path: construct.node.path,
        })),
      ),
  );
}

describe('permissions', () => {
  it('name their resource, except for calls that know none', () => {
    const knowNone = [
      'ecr:GetAuthorizationToken',
      // Network interfaces of a function in a VPC, which the function's own code is denied.
      'ec2:AssignPrivateIpAddresses',
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:UnassignPrivateIpAddresses',
      'kms:CreateKey',
      'kms:ListKeys',
      // AWS documents two forms of the ARN of a mute rule, alarm-mute and alarm-mute-rule.
      'cloudwatch:GetAlarmMuteRule',
      'cloudwatch:ListAlarmMuteRules',
      // Log delivery and tracing of state machines.
      'logs:CreateLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:DescribeLogGroups',
      'logs:DescribeResourcePolicies',
      'logs:GetLogDelivery',
      'logs:ListLogDeliveries',
      'logs:PutResourcePolicy',
      'logs:UpdateLogDelivery',
      'xray:GetSamplingRules',
      'xray:GetSamplingTargets',
      'xray:PutTelemetryRecords',
      'xray:PutTraceSegments',
    ];
    const wide = statements().filter((one) => listOf(one.Resource).includes('*'));
    expect(wide.flatMap((one) => listOf(one.Action)).filter((action) => !knowNone.includes(action))).toEqual(
      [],
    );
  });

  it('name their actions one by one', () => {
    const actions = statements().flatMap((one) => listOf(one.Action));
    expect(actions.length).toBeGreaterThan(100);
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
  });

  it('come from no managed policy', () => {
    for (const role of ofType('AWS::IAM::Role')) expect(role['ManagedPolicyArns'] ?? []).toEqual([]);
  });
});

describe('data at rest', () => {
  it('is in buckets that are closed, encrypted and reached by TLS 1.2 only', () => {
    for (const bucket of ofType('AWS::S3::Bucket')) {
      expect(bucket['PublicAccessBlockConfiguration']).toEqual({
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
      expect(bucket['BucketEncryption']).toBeDefined();
    }
    const policies = ofType('AWS::S3::BucketPolicy');
    expect(policies).toHaveLength(ofType('AWS::S3::Bucket').length);
    for (const policy of policies) {
      const conditions = JSON.stringify(policy['PolicyDocument']);
      expect(conditions).toContain('"aws:SecureTransport":"false"');
      expect(conditions).toContain('"s3:TlsVersion":1.2');
    }
  });

  it('is encrypted in topic, queue and table', () => {
    for (const topic of ofType('AWS::SNS::Topic')) expect(topic['KmsMasterKeyId']).toBeDefined();
    for (const queue of ofType('AWS::SQS::Queue')) expect(queue['SqsManagedSseEnabled']).toBe(true);
    for (const table of ofType('AWS::DynamoDB::GlobalTable')) {
      expect(table['SSESpecification']).toEqual({ SSEEnabled: true, SSEType: 'KMS' });
    }
  });

  it('has logs that end', () => {
    for (const group of ofType('AWS::Logs::LogGroup')) expect(group['RetentionInDays']).toBe(365);
  });
});

describe('tasks', () => {
  it('run our image by digest, without root, on a read-only file system with /tmp', () => {
    for (const definition of ofType('AWS::ECS::TaskDefinition')) {
      const main = definition['ContainerDefinitions'].find((one: any) => one.Name === 'main');
      expect(main).toMatchObject({ User: '1000:1000', ReadonlyRootFilesystem: true, Essential: true });
      expect(main.Image).toMatch(/@sha256:[0-9a-f]{64}$/);
      expect(main.MountPoints).toContainEqual({
        ContainerPath: '/tmp',
        ReadOnly: false,
        SourceVolume: 'tmp',
      });
      for (const container of definition['ContainerDefinitions'])
        expect(container.User).not.toMatch(/^(root|0)/);
    }
  });

  it('pull their image from their own Region', () => {
    for (const { type, region, properties } of resources) {
      if (type !== 'AWS::ECS::TaskDefinition') continue;
      const main = properties['ContainerDefinitions'].find((one: any) => one.Name === 'main');
      expect(main.Image).toContain(`.dkr.ecr.${region}.amazonaws.com/`);
    }
  });

  it('admit no connection', () => {
    for (const group of ofType('AWS::EC2::SecurityGroup'))
      expect(group['SecurityGroupIngress'] ?? []).toEqual([]);
    expect(resources.filter(({ type }) => type === 'AWS::EC2::SecurityGroupIngress')).toEqual([]);
  });
});

describe('functions', () => {
  it('are the newest Node on ARM with a log group and a role of their own', () => {
    const functions = ofType('AWS::Lambda::Function');
    for (const fn of functions) {
      expect(fn).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Handler: 'index.handler' });
    }
    const perRegion = resources.filter(
      ({ type, stack }) => type === 'AWS::Lambda::Function' && stack.endsWith('ControlPrimary'),
    );
    const roles = new Set(perRegion.map(({ properties }) => properties['Role']));
    expect(roles.size).toBe(perRegion.length);
    expect(perRegion).toHaveLength(7);
  });
});

describe('the topic', () => {
  it('has a key that lets CloudWatch and EventBridge in', () => {
    const keys = ofType('AWS::KMS::Key').filter(({ MultiRegion }) => MultiRegion !== true);
    expect(keys).toHaveLength(2);
    for (const key of keys) {
      const services = key['KeyPolicy'].Statement.flatMap((one: any) => listOf(one.Principal.Service ?? []));
      expect(new Set(services)).toEqual(new Set(['cloudwatch.amazonaws.com', 'events.amazonaws.com']));
      // SNS supports no condition on EventBridge here: messages would get lost without an error.
      const events = key['KeyPolicy'].Statement.filter((one: any) =>
        listOf(one.Principal.Service ?? []).includes('events.amazonaws.com'),
      );
      expect(events).toEqual([expect.not.objectContaining({ Condition: expect.anything() })]);
    }
  });
});

describe('the key of the topic', () => {
  const policyIn = (region: string) => {
    const found = resources.find((one) => one.type === 'AWS::KMS::Key' && one.region === region);
    return found?.properties['KeyPolicy'];
  };
  const asked = (who: string, action: string, region = 'us-east-1') =>
    simulate(
      administrator(`arn:aws:iam::111122223333:role/${who}`),
      { action, resource: `arn:aws:kms:${region}:111122223333:key/key-topic` },
      policyIn(region),
    );

  it.each(['kms:DisableKey', 'kms:PutKeyPolicy', 'kms:ScheduleKeyDeletion'])(
    'is not silenced by an administrator: %s',
    async (action) => {
      for (const region of ['us-east-1', 'us-west-2'])
        expect(await asked('admin', action, region)).toBe('ExplicitlyDenied');
      expect(await asked('holdfast-acme-break-glass', action)).toBe('Allowed');
    },
  );

  it('is changed and ended by the deployment of its Region, which disables it never', async () => {
    const deployer = 'cdk-hnb659fds-cfn-exec-role-111122223333-us-east-1';
    for (const action of ['kms:PutKeyPolicy', 'kms:ScheduleKeyDeletion']) {
      expect([action, await asked(deployer, action)]).toEqual([action, 'Allowed']);
      expect([action, await asked(deployer, action, 'us-west-2')]).toEqual([action, 'ExplicitlyDenied']);
    }
    expect(await asked(deployer, 'kms:DisableKey')).toBe('ExplicitlyDenied');
  });
});

describe('what must outlive the stacks', () => {
  const pinned = JSON.parse(
    fs.readFileSync(path.join(import.meta.dirname, 'testing/stateful-logical-ids.json'), 'utf8'),
  ) as Record<string, string>;
  const stateful = ['AWS::DynamoDB::GlobalTable', 'AWS::S3::Bucket', 'AWS::S3::BucketPolicy'];
  const kept = () =>
    resources.filter(
      ({ type, deletionPolicy }) =>
        stateful.includes(type) || (type === 'AWS::IAM::Role' && deletionPolicy !== undefined),
    );

  it('has the logical ids that were deployed: another id replaces the data', () => {
    const ids = kept().map(({ stack, logicalId, type }) => [`${stack}/${logicalId}`, type] as const);
    expect(Object.fromEntries(ids)).toEqual(pinned);
  });

  it('is kept by cdk destroy and by a replacement', () => {
    for (const { logicalId, deletionPolicy, updateReplacePolicy } of kept()) {
      expect([logicalId, deletionPolicy]).toEqual([
        logicalId,
        expect.stringMatching(/^Retain(ExceptOnCreate)?$/),
      ]);
      expect([logicalId, updateReplacePolicy]).toEqual([logicalId, 'Retain']);
    }
  });
});
