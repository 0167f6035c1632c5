import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { ResolvedResource } from '../testing/resolve.ts';
import { examplePlan, testStacks } from '../testing/test-app.ts';

const account = '111122223333';
const region = 'us-east-1';
const key = `arn:aws:kms:${region}:${account}:key/mrk-vault`;

let aws: LocalAws;
let plan: Plan;
let resources: readonly ResolvedResource[];
beforeAll(async () => {
  plan = await examplePlan('minimal');
  ({ resources } = testStacks(plan));
  aws = await startAws();
});
afterAll(() => aws.stop());

/** Asks EventBridge whether the deployed rule matches what CloudTrail would say of a call. */
const isTold = (rule: string, detail: Record<string, unknown>) =>
  matches(rule, {
    source: `aws.${String(detail['eventSource']).split('.')[0]}`,
    'detail-type': 'AWS API Call via CloudTrail',
    detail,
  });

async function matches(rule: string, content: Record<string, unknown>): Promise<boolean> {
  const found = resources.find(
    (one) =>
      one.type === 'AWS::Events::Rule' &&
      one.region === region &&
      one.properties['Name'] === `holdfast-minimal-${rule}`,
  );
  const event = {
    id: 'e',
    account,
    region,
    time: '2026-11-21T09:00:00Z',
    resources: [],
    ...content,
  };
  const response = await fetch(aws.endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AWSEvents.TestEventPattern',
      authorization: `AWS4-HMAC-SHA256 Credential=test/20261121/${region}/events/aws4_request, SignedHeaders=host, Signature=none`,
    },
    body: JSON.stringify({
      EventPattern: JSON.stringify(found?.properties['EventPattern']),
      Event: JSON.stringify(event),
    }),
  });
  const answer = (await response.json()) as { Result?: boolean };
  expect(answer).toMatchObject({ Result: expect.any(Boolean) });
  return answer.Result === true;
}

const kms = (eventName: string, more: Record<string, unknown>) =>
  isTold('key-endangered', { eventSource: 'kms.amazonaws.com', eventName, ...more });
const s3 = (eventName: string, bucketName: string) =>
  isTold('vault-configuration-changed', {
    eventSource: 's3.amazonaws.com',
    eventName,
    requestParameters: { bucketName },
  });

describe('the watch over keys', () => {
  it.each([
    ['by id', 'ScheduleKeyDeletion', { requestParameters: { keyId: 'mrk-vault' } }],
    ['by ARN', 'DisableKey', { requestParameters: { keyId: key } }],
    ['that lets somebody in', 'CreateGrant', { requestParameters: { keyId: key, granteePrincipal: 'x' } }],
    [
      'that takes it elsewhere',
      'ReplicateKey',
      { requestParameters: { keyId: key, replicaRegion: 'eu-west-1' } },
    ],
    ['of the signing key', 'PutKeyPolicy', { requestParameters: { keyId: 'mrk-signing' } }],
    ['by alias', 'DeleteAlias', { requestParameters: { aliasName: 'alias/holdfast-minimal-vault' } }],
    [
      'of the alarms by alias',
      'DeleteAlias',
      { requestParameters: { aliasName: 'alias/holdfast-minimal-alarms' } },
    ],
    [
      'that was refused, without parameters',
      'ScheduleKeyDeletion',
      {
        requestParameters: null,
        errorCode: 'AccessDenied',
        errorMessage: `User: x is not authorized to perform: kms:ScheduleKeyDeletion on resource: ${key} with an explicit deny`,
      },
    ],
  ])('tells of a call %s', async (_, eventName, more) => {
    expect(await kms(eventName, more)).toBe(true);
  });

  it('tells of the key of the topic, without which no alarm reaches anybody', async () => {
    const topicKey = resources.find((one) => one.type === 'AWS::SNS::Topic' && one.region === region)
      ?.properties['KmsMasterKeyId'];
    expect(topicKey).toMatch(/^arn:aws:kms:us-east-1:111122223333:key\/key-/);
    for (const keyId of [topicKey, topicKey.split('/').at(-1)])
      for (const eventName of ['DisableKey', 'PutKeyPolicy', 'ScheduleKeyDeletion'])
        expect([eventName, keyId, await kms(eventName, { requestParameters: { keyId } })]).toEqual([
          eventName,
          keyId,
          true,
        ]);
  });

  it('is silent about other keys and about their daily use', async () => {
    expect(await kms('ScheduleKeyDeletion', { requestParameters: { keyId: 'mrk-other' } })).toBe(false);
    expect(await kms('DeleteAlias', { requestParameters: { aliasName: 'alias/other' } })).toBe(false);
    expect(await kms('GenerateDataKey', { requestParameters: { keyId: key } })).toBe(false);
  });
});

describe('the watch over the vault', () => {
  const vault = `holdfast-minimal-${account}-${region}`;

  it.each([
    'DeleteBucketPolicy',
    'PutBucketEncryption',
    'PutBucketLifecycle',
    'PutBucketNotification',
    'PutBucketPolicy',
    'PutBucketReplication',
    'PutBucketVersioning',
    'UpdateObjectEncryption',
  ])('tells of %s', async (eventName) => {
    expect(await s3(eventName, vault)).toBe(true);
  });

  it('is silent about other buckets and about reading', async () => {
    expect(await s3('DeleteBucketPolicy', `${vault}-logs`)).toBe(false);
    expect(await s3('GetBucketPolicy', vault)).toBe(false);
  });
});

describe('the watch over trails', () => {
  const trail = (eventName: string, eventSource = 'cloudtrail.amazonaws.com') =>
    isTold('trail-endangered', { eventSource, eventName, requestParameters: { name: 'organisation' } });

  it.each(['DeleteTrail', 'PutEventSelectors', 'StopLogging', 'UpdateTrail'])('tells of %s', async (name) => {
    expect(await trail(name)).toBe(true);
  });

  it('is silent about looking at them and about what begins, and about calls that are named alike', async () => {
    for (const name of ['DescribeTrails', 'GetTrailStatus', 'StartLogging', 'CreateTrail'])
      expect([name, await trail(name)]).toEqual([name, false]);
    expect(await trail('StopLogging', 'eks.amazonaws.com')).toBe(false);
  });
});

const deployer = (of = region): Record<string, unknown> => ({
  type: 'AssumedRole',
  arn: `arn:aws:sts::${account}:assumed-role/cdk-hnb659fds-cfn-exec-role-${account}-${of}/AWSCloudFormation`,
  invokedBy: 'cloudformation.amazonaws.com',
  sessionContext: {
    sessionIssuer: {
      type: 'Role',
      arn: `arn:aws:iam::${account}:role/cdk-hnb659fds-cfn-exec-role-${account}-${of}`,
    },
  },
});
const admin: Record<string, unknown> = {
  type: 'AssumedRole',
  arn: `arn:aws:sts::${account}:assumed-role/admin/eve`,
  sessionContext: { sessionIssuer: { type: 'Role', arn: `arn:aws:iam::${account}:role/admin` } },
};
/** The account's root and IAM users have no session, so no issuer. */
const root: Record<string, unknown> = { type: 'Root', arn: `arn:aws:iam::${account}:root` };

interface Call {
  readonly rule: string;
  readonly service: string;
  readonly call: string;
  readonly about: Record<string, unknown>;
  /** The same of something that is not this plan's. */
  readonly other: Record<string, unknown>;
  readonly byDeployment: 'rings' | 'quiet';
}

const topic = `arn:aws:sns:${region}:${account}:holdfast-minimal-alarms`;
const machine = `arn:aws:states:${region}:${account}:stateMachine:holdfast-minimal-backup`;
const watch = { rule: 'watch-endangered' } as const;
const listeners = { rule: 'topic-endangered' } as const;
const jobs = { rule: 'jobs-changed' } as const;
const always = { byDeployment: 'rings' } as const;
const quiet = { byDeployment: 'quiet' } as const;
const ofAlarms = {
  about: { alarmNames: ['other', 'holdfast-minimal-dead-man'] },
  other: { alarmNames: ['cpu'] },
};
const ofAlarm = { about: { alarmName: 'holdfast-minimal-peer-down' }, other: { alarmName: 'peer-down' } };
const ofRule = { about: { name: 'holdfast-minimal-key-endangered' }, other: { name: 'nightly' } };
const ofTargets = {
  about: { rule: 'holdfast-minimal-dead-man', ids: ['0'] },
  other: { rule: 'nightly', ids: ['0'] },
};
const ofTopic = { about: { topicArn: topic }, other: { topicArn: `${topic}-more` } };
const ofSubscription = {
  about: { subscriptionArn: `${topic}:6b0e71bd-7e97-4d97-80ce-4a0994e55286` },
  other: { subscriptionArn: `${topic}-more:6b0e71bd-7e97-4d97-80ce-4a0994e55286` },
};
const ofSchedule = {
  about: { name: 'shop-db-backup', groupName: 'holdfast-minimal' },
  other: { name: 'shop-db-backup', groupName: 'default' },
};
const ofFunction = {
  about: { functionName: 'holdfast-minimal-claim-job' },
  other: { functionName: 'minimal-claim-job' },
};
const ofMachine = {
  about: { stateMachineArn: machine },
  other: { stateMachineArn: `${machine}`.replace('holdfast-', '') },
};
const ofFamily = { about: { family: 'holdfast-minimal-postgres-backup' }, other: { family: 'web' } };

const calls: readonly Call[] = [
  { ...watch, service: 'monitoring', call: 'DeleteAlarms', ...ofAlarms, ...always },
  { ...watch, service: 'monitoring', call: 'DisableAlarmActions', ...ofAlarms, ...always },
  { ...watch, service: 'monitoring', call: 'SetAlarmState', ...ofAlarm, ...always },
  {
    ...watch,
    service: 'monitoring',
    call: 'PutAlarmMuteRule',
    about: { name: 'm', muteTargets: ofAlarms.about },
    other: { name: 'm', muteTargets: ofAlarms.other },
    ...always,
  },
  { ...watch, service: 'monitoring', call: 'PutMetricAlarm', ...ofAlarm, ...quiet },
  { ...watch, service: 'events', call: 'DisableRule', ...ofRule, ...always },
  { ...watch, service: 'events', call: 'DeleteRule', ...ofRule, ...always },
  { ...watch, service: 'events', call: 'RemoveTargets', ...ofTargets, ...always },
  { ...watch, service: 'events', call: 'PutRule', ...ofRule, ...quiet },
  { ...watch, service: 'events', call: 'PutTargets', ...ofTargets, ...quiet },
  { ...listeners, service: 'sns', call: 'Unsubscribe', ...ofSubscription, ...always },
  { ...listeners, service: 'sns', call: 'SetSubscriptionAttributes', ...ofSubscription, ...always },
  { ...listeners, service: 'sns', call: 'DeleteTopic', ...ofTopic, ...always },
  { ...listeners, service: 'sns', call: 'SetTopicAttributes', ...ofTopic, ...quiet },
  { ...listeners, service: 'sns', call: 'RemovePermission', ...ofTopic, ...quiet },
  {
    ...watch,
    service: 'cloudformation',
    call: 'DeleteStack',
    about: {
      stackName: `arn:aws:cloudformation:${region}:${account}:stack/Holdfast-minimal-ControlPrimary/1`,
    },
    other: { stackName: 'Holdfast-other-ControlPrimary' },
    ...always,
  },
  { ...jobs, service: 'scheduler', call: 'DeleteSchedule', ...ofSchedule, ...always },
  {
    ...jobs,
    service: 'scheduler',
    call: 'DeleteScheduleGroup',
    about: { name: 'holdfast-minimal' },
    other: { name: 'minimal' },
    ...always,
  },
  { ...jobs, service: 'scheduler', call: 'UpdateSchedule', ...ofSchedule, ...quiet },
  { ...jobs, service: 'lambda', call: 'DeleteFunction20150331', ...ofFunction, ...always },
  { ...jobs, service: 'lambda', call: 'PutFunctionConcurrency20171031', ...ofFunction, ...always },
  { ...jobs, service: 'lambda', call: 'UpdateFunctionCode20150331v2', ...ofFunction, ...quiet },
  { ...jobs, service: 'lambda', call: 'UpdateFunctionConfiguration20150331v2', ...ofFunction, ...quiet },
  {
    ...jobs,
    service: 'lambda',
    call: 'AddPermission20150331v2',
    about: { functionName: `arn:aws:lambda:${region}:${account}:function:holdfast-minimal-dead-man` },
    other: { functionName: `arn:aws:lambda:${region}:${account}:function:web` },
    ...quiet,
  },
  { ...jobs, service: 'lambda', call: 'RemovePermission20150331v2', ...ofFunction, ...quiet },
  { ...jobs, service: 'states', call: 'DeleteStateMachine', ...ofMachine, ...always },
  { ...jobs, service: 'states', call: 'UpdateStateMachine', ...ofMachine, ...quiet },
  { ...jobs, service: 'ecs', call: 'RegisterTaskDefinition', ...ofFamily, ...quiet },
];

const tell = (rule: string, service: string, more: Record<string, unknown>) =>
  isTold(rule, { eventSource: `${service}.amazonaws.com`, ...more });

describe('what could silence the watch or change the work', () => {
  it.each(calls)('rings: $service $call, $byDeployment for a deployment', async (one) => {
    const { rule, service, call: eventName, about, other, byDeployment } = one;
    const say = (userIdentity: Record<string, unknown>, requestParameters: Record<string, unknown>) =>
      tell(rule, service, { eventName, userIdentity, requestParameters });
    expect(await say(admin, about)).toBe(true);
    expect(await say(root, about)).toBe(true);
    expect(await say(deployer(), about)).toBe(byDeployment === 'rings');
    expect(await say(deployer('us-west-2'), about)).toBe(byDeployment === 'rings');
    expect(await say(deployer('eu-west-1'), about)).toBe(true);
    expect(await say(admin, other)).toBe(false);
    expect(
      await tell(rule, service, { eventName: 'DescribeX', userIdentity: admin, requestParameters: about }),
    ).toBe(false);
    expect(await tell(rule, 'other', { eventName, userIdentity: admin, requestParameters: about })).toBe(
      false,
    );
  });
});

describe('the watch over roles', () => {
  const change = (eventName: string, roleName: string, userIdentity = admin) =>
    tell('roles-changed', 'iam', { eventName, userIdentity, requestParameters: { roleName } });
  const exempt = [
    'holdfast-minimal-retention-us-west-2',
    'holdfast-minimal-break-glass',
    'holdfast-minimal-set-replication',
    `cdk-hnb659fds-cfn-exec-role-${account}-us-west-2`,
  ];

  it.each([
    'AttachRolePolicy',
    'CreateRole',
    'DeleteRole',
    'DeleteRolePermissionsBoundary',
    'DeleteRolePolicy',
    'DetachRolePolicy',
    'PutRolePermissionsBoundary',
    'PutRolePolicy',
    'UpdateAssumeRolePolicy',
  ])('rings on %s of an exempt role, whoever it is', async (name) => {
    for (const role of exempt) {
      expect([role, await change(name, role)]).toEqual([role, true]);
      expect([role, await change(name, role, deployer())]).toEqual([role, true]);
    }
    expect(await change(name, 'web')).toBe(false);
  });

  it('rings on any role of ours unless a deployment changes it', async () => {
    for (const role of [
      'holdfast-minimal.backup.shop-db.us-east-1',
      'Holdfast-minimal-ControlPrimary-Role1',
    ]) {
      expect(await change('PutRolePolicy', role)).toBe(true);
      expect(await change('PutRolePolicy', role, root)).toBe(true);
      expect(await change('PutRolePolicy', role, deployer())).toBe(false);
    }
    expect(await change('TagRole', 'holdfast-minimal-break-glass')).toBe(false);
  });

  it('rings when the retention role or break-glass is taken on, or acts', async () => {
    const retention = `arn:aws:iam::${account}:role/holdfast-minimal-retention-${region}`;
    const use = (service: string, detail: Record<string, unknown>) =>
      tell('exempt-role-used', service, detail);
    for (const roleArn of [retention, `arn:aws:iam::${account}:role/holdfast-minimal-break-glass`]) {
      for (const eventName of ['AssumeRole', 'AssumeRoleWithSAML'])
        expect(await use('sts', { eventName, requestParameters: { roleArn } })).toBe(true);
    }
    const acting = { type: 'AssumedRole', sessionContext: { sessionIssuer: { arn: retention } } };
    expect(await use('s3', { eventName: 'PutObjectRetention', userIdentity: acting })).toBe(true);
    expect(await use('s3', { eventName: 'PutObjectRetention', userIdentity: deployer() })).toBe(false);
    expect(
      await use('sts', { eventName: 'AssumeRole', requestParameters: { roleArn: `${retention}-1` } }),
    ).toBe(false);
    expect(await use('sts', { eventName: 'GetCallerIdentity', userIdentity: admin })).toBe(false);
  });
});

describe('the watch over objects', () => {
  const vault = `holdfast-minimal-${account}-${region}`;
  const say = (type: string, bucket: string) =>
    matches('vault-object-deleted', {
      source: 'aws.s3',
      'detail-type': type,
      resources: [`arn:aws:s3:::${bucket}`],
      detail: {
        version: '0',
        bucket: { name: bucket },
        object: { key: 'v1/shop-db/01J/manifest.json', 'version-id': 'v1', sequencer: '00617F08299329D189' },
        'request-id': 'N4N7GDK58NMKJ12R',
        requester: account,
        'source-ip-address': '1.2.3.4',
        reason: 'DeleteObject',
        'deletion-type': 'Delete Marker Created',
      },
    });

  it('rings on a deletion in the vault, which tells of it by itself', async () => {
    expect(await say('Object Deleted', vault)).toBe(true);
    expect(await say('Object Created', vault)).toBe(false);
    expect(await say('Object Deleted', `${vault}-logs`)).toBe(false);
    const bucket = resources.find(({ properties }) => properties['BucketName'] === vault);
    expect(bucket?.properties['NotificationConfiguration']).toEqual({
      EventBridgeConfiguration: { EventBridgeEnabled: true },
    });
  });
});

describe('patterns', () => {
  // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
  it('stay within the 2,048 characters that EventBridge takes, with the longest names', () => {
    const longest: Plan = {
      ...plan,
      name: 'a-name-of-20-letters',
      regions: { primary: 'ap-southeast-2', standby: 'ap-northeast-3' },
    };
    const sizes = testStacks(longest, { bootstrapQualifier: 'qualifier0' })
      .resources.filter(({ type, properties }) => type === 'AWS::Events::Rule' && properties['EventPattern'])
      .map(({ properties }) => [properties['Name'], JSON.stringify(properties['EventPattern']).length]);
    expect(sizes).toHaveLength(18);
    expect(sizes.filter(([, size]) => size > 2048)).toEqual([]);
  });
});
