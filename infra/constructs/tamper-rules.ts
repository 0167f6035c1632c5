import type { AlarmKind } from '../../core/plan/alarm-catalogue.ts';
import { type Deployment, namedRoles, roleArn, type Side } from '../deployment.ts';
import type { VaultKeys } from './vault-keys.ts';

/** What one rule listens for. */
export interface TamperRule {
  readonly kind: AlarmKind;
  /** Service whose event history an investigation opens. */
  readonly eventSource: string;
  /** Condition on the detail of what CloudTrail says of a call. */
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface TamperRulesProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
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
export function tamperRules(props: TamperRulesProps): TamperRule[] {
  return [
    {
      kind: 'vault-configuration-changed',
      eventSource: 's3.amazonaws.com',
      detail: {
        eventSource: ['s3.amazonaws.com'],
        eventName: bucketCalls,
        requestParameters: { bucketName: [props.deployment.names.vaultBucket(props.side.region)] },
      },
    },
    {
      kind: 'key-endangered',
      eventSource: 'kms.amazonaws.com',
      detail: { eventSource: ['kms.amazonaws.com'], eventName: keyCalls, $or: aboutKeys(props) },
    },
    {
      // Any trail of the account, in the Region that is its home.
      kind: 'trail-endangered',
      eventSource: 'cloudtrail.amazonaws.com',
      detail: { eventSource: ['cloudtrail.amazonaws.com'], eventName: trailCalls },
    },
    { kind: 'watch-endangered', eventSource: 'monitoring.amazonaws.com', detail: { $or: aboutWatch(props) } },
    { kind: 'topic-endangered', eventSource: 'sns.amazonaws.com', detail: { $or: aboutTopic(props) } },
    { kind: 'jobs-changed', eventSource: 'states.amazonaws.com', detail: { $or: aboutJobs(props) } },
    {
      // IAM's calls are told of in us-east-1 only.
      kind: 'roles-changed',
      eventSource: 'iam.amazonaws.com',
      detail: { eventSource: ['iam.amazonaws.com'], eventName: roleCalls, $or: aboutRoles(props) },
    },
    { kind: 'exempt-role-used', eventSource: 'sts.amazonaws.com', detail: { $or: usesOfRoles(props) } },
  ];
}

function aboutKeys({ deployment, keys: { vault, signing } }: TamperRulesProps): Pattern[] {
  const { vaultKeyAlias, signingKeyAlias } = deployment.names;
  return [
    // The calls name a key by id or by ARN, or only its alias.
    { requestParameters: { keyId: [vault, signing].flatMap((key) => [key.keyId, key.keyArn]) } },
    { requestParameters: { aliasName: [vaultKeyAlias, signingKeyAlias] } },
    // A refused call may come without its parameters.
    { errorMessage: [vault, signing].map((key) => ({ wildcard: `*${key.keyId}*` })) },
  ];
}

/** Alarms, the rules behind them, and the stacks that hold both. */
function aboutWatch({ deployment }: TamperRulesProps): Pattern[] {
  const ours = [{ prefix: `${deployment.names.prefix}-` }];
  return [
    call('monitoring', ['DeleteAlarms', 'DisableAlarmActions'], { alarmNames: ours }),
    call('monitoring', ['SetAlarmState'], { alarmName: ours }),
    call('monitoring', ['PutAlarmMuteRule'], { muteTargets: { alarmNames: ours } }),
    call('events', ['DeleteRule', 'DisableRule'], { name: ours }),
    call('events', ['RemoveTargets'], { rule: ours }),
    call('cloudformation', ['DeleteStack'], { stackName: [{ wildcard: `*${stackPrefix(deployment)}*` }] }),
    unlessDeployment(deployment, {
      $or: [
        call('monitoring', ['PutMetricAlarm'], { alarmName: ours }),
        call('events', ['PutRule'], { name: ours }),
        call('events', ['PutTargets'], { rule: ours }),
      ],
    }),
  ];
}

/** Who hears the alarms. */
function aboutTopic({ deployment, side }: TamperRulesProps): Pattern[] {
  const topic = `arn:aws:sns:${side.region}:${deployment.plan.account}:${deployment.names.alarmTopic}`;
  return [
    call('sns', ['DeleteTopic'], { topicArn: [topic] }),
    call('sns', ['SetSubscriptionAttributes', 'Unsubscribe'], { subscriptionArn: [{ prefix: `${topic}:` }] }),
    unlessDeployment(
      deployment,
      call('sns', ['AddPermission', 'RemovePermission', 'SetTopicAttributes'], { topicArn: [topic] }),
    ),
  ];
}

/** What runs, and when. CloudTrail adds a date to the names of Lambda's calls (`UpdateFunctionCode20150331v2`). */
function aboutJobs({ deployment, side }: TamperRulesProps): Pattern[] {
  const { names, plan } = deployment;
  const group = [names.scheduleGroup];
  const begins = (...calls: readonly string[]) => calls.map((prefix) => ({ prefix }));
  const functions = { functionName: [{ wildcard: `*${names.prefix}-*` }] };
  const machines = {
    stateMachineArn: [
      { prefix: `arn:aws:states:${side.region}:${plan.account}:stateMachine:${names.prefix}-` },
    ],
  };
  return [
    call('scheduler', ['DeleteSchedule'], { groupName: group }),
    call('scheduler', ['DeleteScheduleGroup'], { name: group }),
    call('lambda', begins('DeleteFunction', 'PutFunctionConcurrency'), functions),
    call('states', ['DeleteStateMachine'], machines),
    unlessDeployment(deployment, {
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
function aboutRoles({ deployment }: TamperRulesProps): Pattern[] {
  const { primary, standby } = deployment.plan.regions;
  const roles = namedRoles(deployment);
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
  const { prefix } = deployment.names;
  // Task roles have a dot after the prefix, named ones a hyphen, and CloudFormation begins its own with the stack.
  const ours = [`${prefix}.`, `${prefix}-`, stackPrefix(deployment)].map((one) => ({ prefix: one }));
  return [
    { requestParameters: { roleName: exempt } },
    unlessDeployment(deployment, { requestParameters: { roleName: ours } }),
  ];
}

/**
 * Nobody uses the retention role or break-glass on an ordinary day: taking the role on, and every call with it. STS tells
 * of AssumeRole in the Region whose endpoint was asked.
 */
function usesOfRoles({ deployment }: TamperRulesProps): Pattern[] {
  const { primary, standby } = deployment.plan.regions;
  const roles = namedRoles(deployment);
  const arns = [roles.retention(primary), roles.retention(standby), roles.breakGlass].map((name) =>
    roleArn(deployment, name),
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
function unlessDeployment(deployment: Deployment, what: Pattern): Pattern {
  const { primary, standby } = deployment.plan.regions;
  const deployers = [primary, standby].map((region) =>
    roleArn(deployment, namedRoles(deployment).deployment(region)),
  );
  const arn = [{ exists: false }, { 'anything-but': deployers }];
  return { ...what, userIdentity: { sessionContext: { sessionIssuer: { arn } } } };
}

function stackPrefix(deployment: Deployment): string {
  return `Holdfast-${deployment.plan.name}-`;
}
