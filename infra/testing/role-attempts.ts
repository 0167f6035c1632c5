import type { Plan } from '../../core/plan/plan.ts';
import { revision } from './resolve.ts';
import type { Attempt } from './simulate.ts';

/** One call, and who may make it; everybody else may not. */
export interface RoleAttempt extends Attempt {
  readonly what: string;
  /** Whose policy also decides. */
  readonly on?: 'vault' | 'peerVault' | 'vaultKey' | 'signingKey' | 'peerVaultKey';
  /** Roles as `kindOf` calls them. @default nobody */
  readonly may?: readonly string[];
}

/** One Region of a plan in which `source-1` is the own source and `source-2`, where there is one, the other. */
export interface RoleScene {
  readonly plan: Plan;
  readonly role: 'primary' | 'standby';
}

/** Roles that inspect objects, and those of tasks: all that ever read the vault. */
const inspectors = ['claim-job', 'check-copy', 'dead-man'];
const own = (...workflows: string[]) => workflows.map((workflow) => `${workflow} of source-1`);
const tasks = ['backup', 'restore', 'restore-test'];
const every = (plan: Plan, ...workflows: string[]) =>
  plan.sources.flatMap(({ id }) => workflows.map((workflow) => `${workflow} of ${id}`));

/**
 * What the work needs, and what would undo it: calls on the catalogue, task revisions, vaults, keys, secrets, databases. Each
 * is tried by every role of the Region.
 */
export function roleAttempts(scene: RoleScene): RoleAttempt[] {
  return [
    ...catalogue(scene),
    ...running(scene),
    ...vault(scene),
    ...peerVault(scene),
    ...keys(scene),
    ...secrets(scene),
    ...databases(scene),
    ...control(),
  ];
}

function here({ plan, role }: RoleScene) {
  const region = plan.regions[role];
  const peer = plan.regions[role === 'primary' ? 'standby' : 'primary'];
  const prefix = `holdfast-${plan.name}`;
  const arn = (service: string, what: string) => `arn:aws:${service}:${region}:${plan.account}:${what}`;
  const bucket = `arn:aws:s3:::${prefix}-${plan.account}-${region}`;
  const peerBucket = `arn:aws:s3:::${prefix}-${plan.account}-${peer}`;
  return { region, peer, prefix, arn, bucket, peerBucket };
}

function catalogue(scene: RoleScene): RoleAttempt[] {
  const { arn, prefix } = here(scene);
  const on = (partition: string, action: string, may: readonly string[] = []): RoleAttempt => ({
    what: `dynamodb:${action} of ${partition}`,
    action: `dynamodb:${action}`,
    resource: arn('dynamodb', `table/${prefix}`),
    context: partition === 'any items' ? {} : { 'dynamodb:LeadingKeys': [partition] },
    may,
  });
  const mine = 'SOURCE#source-1';
  const tasksOfAll = every(scene.plan, ...tasks);
  const writers = scene.plan.sources.filter(({ canary }) => canary).map(({ id }) => `canary of ${id}`);
  return [
    on('CONTROL', 'GetItem', ['claim-job', ...tasksOfAll, ...writers]),
    on('CONTROL', 'PutItem', ['claim-job']),
    ...['UpdateItem', 'DeleteItem', 'PartiQLUpdate', 'BatchWriteItem'].map((action) => on('CONTROL', action)),
    on(mine, 'GetItem', [...own(...tasks), 'claim-job', 'check-copy', 'finish-job', 'fail-job']),
    on(mine, 'PutItem', [...own(...tasks), 'claim-job', 'check-copy', 'finish-job', 'fail-job']),
    on(mine, 'DeleteItem', [...own(...tasks), 'claim-job', 'finish-job', 'fail-job']),
    on(mine, 'Query', [...own('backup'), 'claim-job', 'check-copy']),
    ...['UpdateItem', 'BatchWriteItem', 'PartiQLDelete'].map((action) => on(mine, action)),
    ...['PutItem', 'DeleteItem', 'Query', 'Scan', 'DeleteTable'].map((action) => on('any items', action)),
  ];
}

function running(scene: RoleScene): RoleAttempt[] {
  const { arn, prefix, region } = here(scene);
  const cluster = arn('ecs', `cluster/${prefix}`);
  const run = (task: string, of: number, may: readonly string[] = []): RoleAttempt => ({
    what: `ecs:RunTask ${task}:${of}`,
    action: 'ecs:RunTask',
    resource: arn('ecs', `task-definition/${prefix}-${task}:${of}`),
    context: { 'ecs:cluster': cluster },
    may,
  });
  const pass = (role: string, service: string, may: readonly string[] = []): RoleAttempt => ({
    what: `iam:PassRole ${role} to ${service}`,
    action: 'iam:PassRole',
    resource: `arn:aws:iam::${scene.plan.account}:role/${prefix}${role}${region}`,
    context: { 'iam:PassedToService': `${service}.amazonaws.com` },
    may,
  });
  const machines = {
    'postgres-backup': 'backup machine',
    'postgres-restore': 'restore machine',
    'postgres-restore-test-17': 'restore-test machine',
  };
  return [
    ...Object.entries(machines).flatMap(([task, machine]) => [
      run(task, revision, [machine]),
      run(task, revision + 1),
      run(task, revision - 1),
    ]),
    ...tasks.map((workflow) => pass(`.${workflow}.source-1.`, 'ecs-tasks', [`${workflow} machine`])),
    ...['.restore.source-1.', '-retention-'].map((role) => pass(role, 'lambda')),
    pass('-retention-', 'ecs-tasks'),
    {
      what: 'ecs:RegisterTaskDefinition',
      action: 'ecs:RegisterTaskDefinition',
      resource: arn('ecs', `task-definition/${prefix}-postgres-backup:*`),
    },
  ];
}

const once = { 's3:if-none-match': '*', 's3:ObjectCreationOperation': 'true' };
const point = 'v1/source-1/01JD0000000000000000000000';
const otherHeaders = {
  'under a key of the customer': 's3:x-amz-server-side-encryption-customer-algorithm',
  'under another key': 's3:x-amz-server-side-encryption-aws-kms-key-id',
  'under another encryption': 's3:x-amz-server-side-encryption',
};

function vault(scene: RoleScene): RoleAttempt[] {
  const { bucket } = here(scene);
  const data = (action: string, more: Partial<RoleAttempt> = {}): RoleAttempt => ({
    what: `s3:${action}${more.what === undefined ? '' : ` ${more.what}`}`,
    action: `s3:${action}`,
    resource: `${bucket}/${point}/${more.resource ?? 'data/00001-public.orders.zst.enc'}`,
    on: 'vault',
    ...(more.context !== undefined && { context: more.context }),
    may: more.may ?? [],
  });
  const manifest = { what: 'of a manifest', resource: 'manifest.json' };
  const configure = (action: string, may: readonly string[] = []): RoleAttempt => ({
    what: `s3:${action}`,
    action: `s3:${action}`,
    resource: bucket,
    on: 'vault',
    may,
  });
  const lockedFor = (days: string) => ({ 's3:object-lock-remaining-retention-days': days });
  return [
    data('PutObject', { context: once, may: own('backup') }),
    data('PutObject', { ...manifest, context: once, may: own('backup') }),
    data('PutObject', { what: 'over what is there', context: { 's3:ObjectCreationOperation': 'true' } }),
    ...Object.entries(otherHeaders).map(([what, header]) =>
      data('PutObject', { what, context: { ...once, [header]: 'AES256' } }),
    ),
    data('PutObject', {
      what: 'as a copy under another key',
      context: {
        ...once,
        's3:x-amz-copy-source': 'x/y',
        's3:x-amz-server-side-encryption-aws-kms-key-id': 'mine',
      },
    }),
    data('UpdateObjectEncryption'),
    data('PutObjectTagging', { may: own('backup') }),
    data('PutObjectTagging', manifest),
    ...['PutObjectVersionTagging', 'DeleteObjectTagging'].flatMap((action) => [
      data(action),
      data(action, manifest),
    ]),
    data('PutObjectRetention', { context: lockedFor('400'), may: own('backup') }),
    data('PutObjectRetention', { what: 'beyond the plan', context: lockedFor('404') }),
    data('AbortMultipartUpload', { may: own('backup') }),
    data('BypassGovernanceRetention', { may: scene.plan.vault.lock === 'governance' ? ['retention'] : [] }),
    data('DeleteObjectVersion', { may: ['retention'] }),
    ...['DeleteObject', 'PutObjectLegalHold', 'RestoreObject', 'PutObjectAcl'].map((action) => data(action)),
    ...['GetObject', 'GetObjectVersion'].map((action) =>
      data(action, { may: [...own(...tasks), ...inspectors, 'retention'] }),
    ),
    data('GetObjectRetention', { may: [...own(...tasks), ...inspectors, 'replication', 'retention'] }),
    data('GetObjectVersionForReplication', { may: ['replication'] }),
    configure('PutReplicationConfiguration', scene.role === 'standby' ? ['set-replication'] : []),
    ...[
      'PutBucketPolicy',
      'PutLifecycleConfiguration',
      'PutBucketVersioning',
      'PutEncryptionConfiguration',
    ].map((action) => configure(action)),
  ];
}

function peerVault(scene: RoleScene): RoleAttempt[] {
  const { peerBucket } = here(scene);
  const there = (action: string, may: readonly string[] = []): RoleAttempt => ({
    what: `s3:${action} in the other Region`,
    action: `s3:${action}`,
    resource: `${peerBucket}/${point}/data/x`,
    on: 'peerVault',
    ...(action === 'PutObject' && { context: once }),
    may,
  });
  return [
    there('ReplicateObject', ['replication']),
    there('GetObjectVersion', ['check-copy']),
    ...[
      'PutObject',
      'PutObjectTagging',
      'DeleteObjectVersion',
      'ReplicateDelete',
      'UpdateObjectEncryption',
    ].map((action) => there(action)),
  ];
}

function keys(scene: RoleScene): RoleAttempt[] {
  const { plan } = scene;
  const { arn, region, peer, bucket, peerBucket } = here(scene);
  const key = (what: string, action: string, more: Partial<RoleAttempt>): RoleAttempt => ({
    what: `kms:${action} ${what}`,
    action: `kms:${action}`,
    resource: arn('kms', 'key/mrk-vault'),
    on: 'vaultKey',
    ...more,
  });
  const ofSource = { context: { 'kms:EncryptionContext:source': 'source-1' } };
  const through = (there: string, of: string) => ({
    context: { 'kms:ViaService': `s3.${there}.amazonaws.com`, 'kms:EncryptionContext:aws:s3:arn': of },
  });
  const signing = { resource: arn('kms', 'key/mrk-signing'), on: 'signingKey' } as const;
  const peerKey = {
    resource: `arn:aws:kms:${peer}:${plan.account}:key/mrk-vault`,
    on: 'peerVaultKey',
  } as const;
  const underTheKey = plan.vault.breakGlassPublicKey === undefined;
  return [
    key('for data of the source', 'GenerateDataKey', { ...ofSource, may: own('backup') }),
    key('of data of the source', 'Decrypt', { ...ofSource, may: own('restore', 'restore-test') }),
    key('of anything', 'Decrypt', {}),
    // What a plan stored before it got its break-glass key stays under the vault key.
    key('of an object through S3', 'Decrypt', {
      ...through(region, bucket),
      may: [...every(plan, ...tasks), ...inspectors, 'replication'],
    }),
    key('of an object of another bucket through S3', 'Decrypt', through(region, `${bucket}-logs`)),
    key('for an object through S3', 'GenerateDataKey', {
      ...through(region, bucket),
      may: underTheKey ? every(plan, 'backup') : [],
    }),
    key('for a copy through S3', 'GenerateDataKey', {
      ...peerKey,
      ...through(peer, peerBucket),
      may: underTheKey ? ['replication'] : [],
    }),
    key('of a copy through S3', 'Decrypt', { ...peerKey, ...through(peer, peerBucket), may: ['check-copy'] }),
    key('', 'Sign', { ...signing, may: every(plan, 'backup') }),
    key('', 'Verify', { ...signing, may: [...every(plan, ...tasks), ...inspectors] }),
    ...['ScheduleKeyDeletion', 'DisableKey', 'CreateGrant', 'ReEncryptFrom'].map((action) =>
      key('', action, {}),
    ),
    key('', 'PutKeyPolicy', {
      context: { 'kms:ResourceAliases': [`alias/holdfast-${plan.name}-vault`] },
      may: ['keep-key'],
    }),
  ];
}

function secrets(scene: RoleScene): RoleAttempt[] {
  const { plan, role } = scene;
  const { arn, prefix } = here(scene);
  const read = (name: string, may: readonly string[] = []): RoleAttempt => ({
    what: `secretsmanager:GetSecretValue ${name}`,
    action: 'secretsmanager:GetSecretValue',
    resource: arn('secretsmanager', `secret:${name}-AbCdEf`),
    may,
  });
  const canary = plan.sources[0]?.canary !== undefined;
  const heartbeat = Object.values(plan.notifications).some(
    (channel) => channel.heartbeat?.secret !== undefined,
  );
  const restores = every(plan, 'restore');
  return [
    read('source-1/secret', own('backup')),
    read('target-1/secret', role === 'standby' ? restores : []),
    read('target-2/secret', role === 'primary' && plan.targets.length > 1 ? restores : []),
    read(`${prefix}/canary-key/source-1`, canary ? own('restore', 'restore-test', 'canary') : []),
    read(`${prefix}/canary-writer/source-1`, canary ? own('canary') : []),
    read('heartbeat/secret', heartbeat ? ['heartbeat'] : []),
    read('source-1/secret-of-somebody-else'),
    {
      ...read('source-1/secret'),
      what: 'secretsmanager:PutSecretValue source-1/secret',
      action: 'secretsmanager:PutSecretValue',
    },
  ];
}

function databases(scene: RoleScene): RoleAttempt[] {
  const { plan, role } = scene;
  const { arn } = here(scene);
  const connect = (user: string, may: readonly string[]): RoleAttempt => ({
    what: `rds-db:connect as ${user}`,
    action: 'rds-db:connect',
    resource: arn('rds-db', `dbuser:db-ABCDEFGHIJKL/${user}`),
    may,
  });
  const iam = plan.sources[0]?.connection.iam === true;
  const canary = iam && plan.sources[0]?.canary !== undefined;
  return [
    connect('user_source_1', iam ? own('backup') : []),
    connect('user_target_1', iam && role === 'standby' ? every(plan, 'restore') : []),
    connect('holdfast_canary_source_1', canary ? own('canary') : []),
    connect('postgres', []),
  ];
}

/** By which somebody would get more rights, or silence what watches. */
function control(): RoleAttempt[] {
  return [
    'iam:CreateRole',
    'iam:PutRolePolicy',
    'sts:AssumeRole',
    'lambda:UpdateFunctionCode',
    'cloudwatch:DeleteAlarms',
    'events:DeleteRule',
    'sns:DeleteTopic',
    'states:UpdateStateMachine',
    'scheduler:DeleteSchedule',
  ].map((action) => ({ what: action, action, resource: '*' }));
}
