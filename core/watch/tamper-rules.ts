import type { AlarmKind } from '../plan/alarm-catalogue.ts';
import { type DeploymentNames, roleArn } from '../plan/names.ts';
import type { Watched } from './watched.ts';

export type EventPattern = Readonly<Record<string, unknown>>;
export type RuleState = 'ENABLED' | 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';

/** What one rule listens for. */
export interface TamperRule {
  readonly kind: AlarmKind;
  readonly state: RuleState;
  readonly pattern: EventPattern;
}

type Pattern = Readonly<Record<string, unknown>>;

/**
 * Names of S3's calls in CloudTrail; they differ from those of the permissions, and some have had two. The last one is a
 * data event, which reaches EventBridge only where a trail logs those of the bucket; the bucket policy forbids it anyway.
 */
const bucketCalls = [
  'DeleteBucket',
  'DeleteBucketEncryption',
  'DeleteBucketLifecycle',
  'DeleteBucketOwnershipControls',
  'DeleteBucketPolicy',
  'DeleteBucketPublicAccessBlock',
  'DeleteBucketReplication',
  'PutBucketAcl',
  'PutBucketEncryption',
  'PutBucketLifecycle',
  'PutBucketLifecycleConfiguration',
  'PutBucketLogging',
  'PutBucketNotification',
  'PutBucketObjectLockConfiguration',
  'PutBucketOwnershipControls',
  'PutBucketPolicy',
  'PutBucketPublicAccessBlock',
  'PutBucketReplication',
  'PutBucketVersioning',
  'PutObjectLockConfiguration',
  'UpdateObjectEncryption',
];

/** A grant opens a key to somebody whom its policy does not name; a replica takes it to another Region. */
const keyCalls = [
  'CreateGrant',
  'DeleteAlias',
  'DisableKey',
  'PutKeyPolicy',
  'ReplicateKey',
  'ScheduleKeyDeletion',
  'UpdateAlias',
  'UpdatePrimaryRegion',
];

/** The trail says of its own end as the last thing; whoever means harm begins there. */
const trailCalls = ['DeleteTrail', 'PutEventSelectors', 'StopLogging', 'UpdateTrail'];

const roleCalls = [
  'AttachRolePolicy',
  'CreateRole',
  'DeleteRole',
  'DeleteRolePermissionsBoundary',
  'DeleteRolePolicy',
  'DetachRolePolicy',
  'PutRolePermissionsBoundary',
  'PutRolePolicy',
  'UpdateAssumeRolePolicy',
];

/**
 * Everything that somebody would do first who wants the vault and no noise. An ordinary deployment changes alarms, rules,
 * functions, machines and task definitions, so changes of those by the deployment role are quiet; what no ordinary
 * deployment does (deleting, disabling, anything about vault, keys, trail and the exempt roles) rings whoever does it.
 * A pattern has at most 2,048 characters. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
 */
export function tamperRules(about: Watched): TamperRule[] {
  return [
    calls('vault-configuration-changed', {
      eventSource: ['s3.amazonaws.com'],
      eventName: bucketCalls,
      requestParameters: { bucketName: [about.names.vaultBucket(about.region)] },
    }),
    calls('key-endangered', {
      eventSource: ['kms.amazonaws.com'],
      eventName: keyCalls,
      $or: aboutKeys(about),
    }),
    // Any trail of the account, in the Region that is its home.
    calls('trail-endangered', { eventSource: ['cloudtrail.amazonaws.com'], eventName: trailCalls }),
    calls('watch-endangered', { $or: aboutWatch(about) }),
    calls('topic-endangered', { $or: aboutTopic(about) }),
    calls('jobs-changed', { $or: aboutJobs(about) }),
    // IAM's calls are told of in us-east-1 only.
    calls('roles-changed', {
      eventSource: ['iam.amazonaws.com'],
      eventName: roleCalls,
      $or: aboutRoles(about),
    }),
    // AssumeRole is a read-only management event, and so is much of what somebody does who looks around with a role. A rule
    // that is merely ENABLED gets those of no service.
    // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail-management.html
    {
      ...calls('exempt-role-used', { $or: usesOfRoles(about) }),
      state: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS',
    },
    {
      // S3 tells of this by itself, without a trail.
      kind: 'vault-object-deleted',
      state: 'ENABLED',
      pattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Deleted'],
        detail: { bucket: { name: [about.names.vaultBucket(about.region)] } },
      },
    },
  ];
}

function calls(kind: AlarmKind, detail: Pattern): TamperRule {
  return { kind, state: 'ENABLED', pattern: { 'detail-type': ['AWS API Call via CloudTrail'], detail } };
}

/** Those of the vault, and the one of the topic: without it no alarm reaches anybody. */
function aboutKeys({ names, keys: { vault, signing, alarms } }: Watched): Pattern[] {
  const keys = [vault, signing, alarms];
  return [
    // The calls name a key by id or by ARN, or only its alias.
    { requestParameters: { keyId: keys.flatMap(({ keyId, keyArn }) => [keyId, keyArn]) } },
    { requestParameters: { aliasName: [names.vaultKeyAlias, names.signingKeyAlias, names.alarmKeyAlias] } },
    // A refused call may come without its parameters.
    { errorMessage: keys.map(({ keyId }) => ({ wildcard: `*${keyId}*` })) },
  ];
}

/** Alarms, the rules behind them, and the stacks that hold both. */
function aboutWatch(about: Watched): Pattern[] {
  const ours = [{ prefix: `${about.names.prefix}-` }];
  return [
    call('monitoring', ['DeleteAlarms', 'DisableAlarmActions'], { alarmNames: ours }),
    call('monitoring', ['SetAlarmState'], { alarmName: ours }),
    call('monitoring', ['PutAlarmMuteRule'], { muteTargets: { alarmNames: ours } }),
    call('events', ['DeleteRule', 'DisableRule'], { name: ours }),
    call('events', ['RemoveTargets'], { rule: ours }),
    call('cloudformation', ['DeleteStack'], { stackName: [{ wildcard: `*${stackPrefix(about.names)}*` }] }),
    unlessDeployment(about, {
      $or: [
        call('monitoring', ['PutMetricAlarm'], { alarmName: ours }),
        call('events', ['PutRule'], { name: ours }),
        call('events', ['PutTargets'], { rule: ours }),
      ],
    }),
  ];
}

/** Who hears the alarms. */
function aboutTopic(about: Watched): Pattern[] {
  const { topicArn: topic } = about;
  return [
    call('sns', ['DeleteTopic'], { topicArn: [topic] }),
    call('sns', ['SetSubscriptionAttributes', 'Unsubscribe'], { subscriptionArn: [{ prefix: `${topic}:` }] }),
    unlessDeployment(
      about,
      call('sns', ['AddPermission', 'RemovePermission', 'SetTopicAttributes'], { topicArn: [topic] }),
    ),
  ];
}

/** What runs, and when. CloudTrail adds a date to the names of Lambda's calls (`UpdateFunctionCode20150331v2`). */
function aboutJobs(about: Watched): Pattern[] {
  const { names, plan, region } = about;
  const group = [names.scheduleGroup];
  const begins = (...calls: readonly string[]) => calls.map((prefix) => ({ prefix }));
  const functions = { functionName: [{ wildcard: `*${names.prefix}-*` }] };
  const machines = {
    stateMachineArn: [{ prefix: `arn:aws:states:${region}:${plan.account}:stateMachine:${names.prefix}-` }],
  };
  return [
    call('scheduler', ['DeleteSchedule'], { groupName: group }),
    call('scheduler', ['DeleteScheduleGroup'], { name: group }),
    call('lambda', begins('DeleteFunction', 'PutFunctionConcurrency'), functions),
    call('states', ['DeleteStateMachine'], machines),
    unlessDeployment(about, {
      $or: [
        call('scheduler', ['UpdateSchedule'], { groupName: group }),
        call('lambda', begins('AddPermission', 'RemovePermission', 'UpdateFunction'), functions),
        call('states', ['UpdateStateMachine'], machines),
        call('ecs', ['RegisterTaskDefinition'], { family: [{ prefix: `${names.prefix}-` }] }),
      ],
    }),
  ];
}

/** The roles that the vault's denies exempt, whoever changes them; all others of ours unless a deployment does. */
function aboutRoles(about: Watched): Pattern[] {
  const { plan, names, roles } = about;
  const { primary, standby } = plan.regions;
  const exempt = [
    roles.deployment(primary),
    roles.deployment(standby),
    roles.retention(primary),
    roles.retention(standby),
    roles.keyKeeper(primary),
    roles.keyKeeper(standby),
    roles.replicationSetter,
    roles.breakGlass,
  ];
  const { prefix } = names;
  // Task roles have a dot after the prefix, named ones a hyphen, and CloudFormation begins its own with the stack.
  const ours = [`${prefix}.`, `${prefix}-`, stackPrefix(names)].map((one) => ({ prefix: one }));
  return [
    { requestParameters: { roleName: exempt } },
    unlessDeployment(about, { requestParameters: { roleName: ours } }),
  ];
}

/**
 * Nobody uses the retention role or break-glass on an ordinary day: taking the role on, and every call with it. STS tells
 * of AssumeRole in the Region whose endpoint was asked.
 */
function usesOfRoles({ plan, roles }: Watched): Pattern[] {
  const { primary, standby } = plan.regions;
  const arns = [roles.retention(primary), roles.retention(standby), roles.breakGlass].map((name) =>
    roleArn(plan, name),
  );
  return [
    { eventName: [{ prefix: 'AssumeRole' }], requestParameters: { roleArn: arns } },
    { userIdentity: { sessionContext: { sessionIssuer: { arn: arns } } } },
  ];
}

function call(
  service: string,
  eventName: readonly (string | { readonly prefix: string })[],
  requestParameters: Pattern,
): Pattern {
  return { eventSource: [`${service}.amazonaws.com`], eventName, requestParameters };
}

/**
 * What rings unless CloudFormation does it in a deployment. `anything-but` needs the field to be there, and a user or the
 * account's root has none.
 */
function unlessDeployment({ plan, roles }: Watched, what: Pattern): Pattern {
  const { primary, standby } = plan.regions;
  const deployers = [primary, standby].map((region) => roleArn(plan, roles.deployment(region)));
  const arn = [{ exists: false }, { 'anything-but': deployers }];
  return { ...what, userIdentity: { sessionContext: { sessionIssuer: { arn } } } };
}

function stackPrefix(names: DeploymentNames): string {
  return names.stack('Keys').slice(0, -'Keys'.length);
}
