import { beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedResource } from './testing/resolve.ts';
import { administrator, bucketPolicy, type Principal, roleOf, simulate } from './testing/simulate.ts';
import { examplePlan, testStacks } from './testing/test-app.ts';

const account = '111122223333';
const primary = 'us-east-1';
const standby = 'us-west-2';
const bucket = `holdfast-acme-${account}-${primary}`;
const peerBucket = `holdfast-acme-${account}-${standby}`;
const object = `arn:aws:s3:::${bucket}/v1/shop-db/01JD0000000000000000000000/data/00001-public.orders.zst.enc`;
const writtenOnce = { 's3:if-none-match': '*', 's3:ObjectCreationOperation': 'true' };

let resources: readonly ResolvedResource[];
let policy: unknown;
let peerPolicy: unknown;
let keyPolicy: unknown;

beforeAll(async () => {
  ({ resources } = testStacks(await examplePlan('acme')));
  policy = bucketPolicy(resources, bucket);
  peerPolicy = bucketPolicy(resources, peerBucket);
  keyPolicy = resources.find(({ type }) => type === 'AWS::KMS::Key')?.properties['KeyPolicy'];
});

const role = (id: RegExp, region = primary) => roleOf(resources, { region, id });
const onVault = (who: Principal, action: string, context = {}, resource = object) =>
  simulate(who, { action, resource, context }, policy);
const onBucket = (who: Principal, action: string, context = {}) =>
  onVault(who, action, context, `arn:aws:s3:::${bucket}`);
const onKey = (who: Principal, action: string, key = 'mrk-vault', context = {}) =>
  simulate(who, { action, resource: `arn:aws:kms:${primary}:${account}:key/${key}`, context }, keyPolicy);

describe('a writer', () => {
  const writer = () => role(/^TasksBackupRole/);

  it('creates objects of its sources, tagged and locked', async () => {
    expect(await onVault(writer(), 's3:PutObject', writtenOnce)).toBe('Allowed');
    expect(await onVault(writer(), 's3:PutObjectTagging')).toBe('Allowed');
    expect(
      await onVault(writer(), 's3:PutObjectRetention', { 's3:object-lock-remaining-retention-days': '400' }),
    ).toBe('Allowed');
    expect(await onVault(writer(), 's3:AbortMultipartUpload')).toBe('Allowed');
  });

  it('starts uploads and sends parts, which know no condition', async () => {
    expect(await onVault(writer(), 's3:PutObject', { 's3:ObjectCreationOperation': 'false' })).toBe(
      'Allowed',
    );
  });

  it('cannot write a key without the condition that it is new', async () => {
    expect(await onVault(writer(), 's3:PutObject', { 's3:ObjectCreationOperation': 'true' })).toBe(
      'ExplicitlyDenied',
    );
  });

  it('cannot lock for longer than the plan and its tolerance of three days', async () => {
    const lockedFor = (days: string) =>
      onVault(writer(), 's3:PutObjectRetention', { 's3:object-lock-remaining-retention-days': days });
    expect(await lockedFor('403')).toBe('Allowed');
    expect(await lockedFor('404')).toBe('ExplicitlyDenied');
  });

  it.each([
    ['outside v1', `arn:aws:s3:::${bucket}/elsewhere`],
    ['of a source that the plan does not have', `arn:aws:s3:::${bucket}/v1/other-db/x`],
    ['in the other Region', `arn:aws:s3:::${peerBucket}/v1/shop-db/x`],
  ])('cannot create objects %s', async (_, resource) => {
    expect(await onVault(writer(), 's3:PutObject', writtenOnce, resource)).toBe('ImplicitlyDenied');
  });

  it.each([
    's3:DeleteObject',
    's3:DeleteObjectVersion',
    's3:PutObjectLegalHold',
    's3:BypassGovernanceRetention',
  ])('cannot %s', async (action) => {
    expect(await onVault(writer(), action)).toBe('ExplicitlyDenied');
  });

  it('gets data keys and signs, but decrypts nothing that is stored', async () => {
    expect(await onKey(writer(), 'kms:GenerateDataKey')).toBe('Allowed');
    expect(await onKey(writer(), 'kms:Sign', 'mrk-signing')).toBe('Allowed');
    expect(await onKey(writer(), 'kms:Decrypt')).toBe('ImplicitlyDenied');
  });

  it('reads the secrets of sources and of no target', async () => {
    const secret = (name: string) =>
      simulate(writer(), {
        action: 'secretsmanager:GetSecretValue',
        resource: `arn:aws:secretsmanager:${primary}:${account}:secret:${name}-AbCdEf`,
      });
    expect(await secret('shop-db/backup')).toBe('Allowed');
    expect(await secret('shop-db/beside')).toBe('ImplicitlyDenied');
    expect(await secret('shop-db/backup-of-someone-else')).toBe('ImplicitlyDenied');
  });

  it('decrypts these secrets with any key, through Secrets Manager alone', async () => {
    const decrypt = (secret: string, service = 'secretsmanager') =>
      onKey(writer(), 'kms:Decrypt', 'of-its-owner', {
        'kms:ViaService': `${service}.${primary}.amazonaws.com`,
        'kms:EncryptionContext:SecretARN': `arn:aws:secretsmanager:${primary}:${account}:secret:${secret}-AbCdEf`,
      });
    expect(await decrypt('shop-db/backup')).toBe('Allowed');
    expect(await decrypt('shop-db/beside')).toBe('ImplicitlyDenied');
    expect(await decrypt('shop-db/backup', 's3')).toBe('ImplicitlyDenied');
  });
});

describe('a reader', () => {
  const reader = () => role(/^TasksRestoreRole/);

  it('reads and decrypts any version', async () => {
    expect(await onVault(reader(), 's3:GetObjectVersion')).toBe('Allowed');
    expect(await onKey(reader(), 'kms:Decrypt')).toBe('Allowed');
    expect(await onKey(reader(), 'kms:Verify', 'mrk-signing')).toBe('Allowed');
  });

  it.each(['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectTagging', 's3:AbortMultipartUpload'])(
    'cannot %s',
    async (action) => {
      expect(await onVault(reader(), action, writtenOnce)).toBe('ImplicitlyDenied');
    },
  );

  it('cannot delete, sign or make data keys', async () => {
    expect(await onVault(reader(), 's3:DeleteObjectVersion')).toBe('ExplicitlyDenied');
    expect(await onKey(reader(), 'kms:Sign', 'mrk-signing')).toBe('ImplicitlyDenied');
    expect(await onKey(reader(), 'kms:GenerateDataKey')).toBe('ImplicitlyDenied');
  });

  it('reads the secrets of targets of its own Region and of no source', async () => {
    const secret = (who: Principal, region: string, name: string) =>
      simulate(who, {
        action: 'secretsmanager:GetSecretValue',
        resource: `arn:aws:secretsmanager:${region}:${account}:secret:${name}-AbCdEf`,
      });
    expect(await secret(reader(), primary, 'shop-db/beside')).toBe('Allowed');
    expect(await secret(reader(), primary, 'shop-db/backup')).toBe('ImplicitlyDenied');
    const inStandby = role(/^TasksRestoreRole/, standby);
    expect(await secret(inStandby, standby, 'shop-db/restored')).toBe('Allowed');
    expect(await secret(inStandby, standby, 'shop-db/beside')).toBe('ImplicitlyDenied');
  });

  it('has no secret at all in a restore test', async () => {
    const statements = JSON.stringify(role(/^TasksRestoreTestRole/).policies);
    expect(statements).toContain('s3:GetObjectVersion');
    expect(statements).not.toContain('secretsmanager');
  });
});

describe('the retention role', () => {
  const retention = () => role(/^holdfast-acme-retention-us-east-1$/);

  it('deletes versions of recovery points', async () => {
    expect(await onVault(retention(), 's3:DeleteObjectVersion')).toBe('Allowed');
  });

  it('cannot bypass a lock, hide, write or configure', async () => {
    expect(await onVault(retention(), 's3:BypassGovernanceRetention')).toBe('ExplicitlyDenied');
    expect(await onVault(retention(), 's3:DeleteObject')).toBe('ImplicitlyDenied');
    expect(await onVault(retention(), 's3:PutObject', writtenOnce)).toBe('ImplicitlyDenied');
    expect(await onBucket(retention(), 's3:PutLifecycleConfiguration')).toBe('ExplicitlyDenied');
  });

  it('of one Region cannot delete in the other', async () => {
    const resource = `arn:aws:s3:::${peerBucket}/v1/shop-db/x`;
    expect(await simulate(retention(), { action: 's3:DeleteObjectVersion', resource }, peerPolicy)).toBe(
      'ExplicitlyDenied',
    );
  });
});

const configuration = [
  's3:DeleteBucketPolicy',
  's3:PutBucketObjectLockConfiguration',
  's3:PutBucketPolicy',
  's3:PutBucketVersioning',
  's3:PutLifecycleConfiguration',
  's3:PutEncryptionConfiguration',
  's3:PutReplicationConfiguration',
];

describe('the deployment role', () => {
  const deployment = administrator(
    `arn:aws:iam::${account}:role/cdk-hnb659fds-cfn-exec-role-${account}-${primary}`,
  );

  it.each(configuration)('may %s', async (action) => {
    expect(await onBucket(deployment, action)).toBe('Allowed');
  });

  it.each(['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:BypassGovernanceRetention'])(
    'cannot %s',
    async (action) => {
      expect(await onVault(deployment, action)).toBe('ExplicitlyDenied');
    },
  );

  it('keeps key policies and cannot end a key', async () => {
    expect(await onKey(deployment, 'kms:ScheduleKeyDeletion')).toBe('ExplicitlyDenied');
    expect(await onKey(deployment, 'kms:DisableKey')).toBe('ExplicitlyDenied');
  });
});

describe('an administrator', () => {
  it.each(configuration)('cannot %s', async (action) => {
    expect(await onBucket(administrator(), action)).toBe('ExplicitlyDenied');
  });

  it.each(['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention', 's3:PutObjectLegalHold'])(
    'cannot %s',
    async (action) => {
      expect(await onVault(administrator(), action)).toBe('ExplicitlyDenied');
    },
  );

  it.each(['kms:ScheduleKeyDeletion', 'kms:DisableKey', 'kms:PutKeyPolicy'])('cannot %s', async (action) => {
    expect(await onKey(administrator(), action)).toBe('ExplicitlyDenied');
  });

  it('can still read, and only by an encrypted connection', async () => {
    expect(await onVault(administrator(), 's3:GetObject')).toBe('Allowed');
    expect(await onVault(administrator(), 's3:GetObject', { 'aws:SecureTransport': 'false' })).toBe(
      'ExplicitlyDenied',
    );
    expect(await onVault(administrator(), 's3:GetObject', { 's3:TlsVersion': '1.1' })).toBe(
      'ExplicitlyDenied',
    );
  });
});

describe('break-glass', () => {
  it('is the only role that ends a key', async () => {
    const breakGlass = administrator(`arn:aws:iam::${account}:role/holdfast-acme-break-glass`);
    expect(await onKey(breakGlass, 'kms:DisableKey')).toBe('Allowed');
    expect(await onKey(breakGlass, 'kms:ScheduleKeyDeletion')).toBe('Allowed');
  });
});

describe('the replication of the standby', () => {
  const setReplication = (who: Principal) =>
    simulate(
      who,
      { action: 's3:PutReplicationConfiguration', resource: `arn:aws:s3:::${peerBucket}` },
      peerPolicy,
    );

  it('is set by one function and by nobody else, deployment role included', async () => {
    expect(await setReplication(role(/^holdfast-acme-set-replication$/, standby))).toBe('Allowed');
    expect(await setReplication(administrator())).toBe('ExplicitlyDenied');
    const deployment = `arn:aws:iam::${account}:role/cdk-hnb659fds-cfn-exec-role-${account}-${standby}`;
    expect(await setReplication(administrator(deployment))).toBe('ExplicitlyDenied');
  });

  it('is all that this function may change', async () => {
    const setter = role(/^holdfast-acme-set-replication$/, standby);
    for (const action of configuration.filter((one) => one !== 's3:PutReplicationConfiguration')) {
      const verdict = await simulate(setter, { action, resource: `arn:aws:s3:::${peerBucket}` }, peerPolicy);
      expect([action, verdict]).toEqual([action, 'ExplicitlyDenied']);
    }
  });

  it('copies with lock and tags, and cannot delete', async () => {
    const copier = role(/^holdfast-acme-replication-us-east-1$/);
    const copy = { action: 's3:ReplicateObject', resource: `arn:aws:s3:::${peerBucket}/v1/shop-db/x` };
    expect(await simulate(copier, copy, peerPolicy)).toBe('Allowed');
    expect(await onVault(copier, 's3:GetObjectRetention')).toBe('Allowed');
    expect(await simulate(copier, { ...copy, action: 's3:ReplicateDelete' }, peerPolicy)).toBe(
      'ImplicitlyDenied',
    );
  });
});

describe('short decisions', () => {
  it('inspect both vaults without the key that decrypts', async () => {
    const checker = role(/^FunctionscheckcopyRole/);
    expect(await onVault(checker, 's3:GetObjectVersion')).toBe('Allowed');
    const there = { action: 's3:GetObjectRetention', resource: `arn:aws:s3:::${peerBucket}/v1/shop-db/x` };
    expect(await simulate(checker, there, peerPolicy)).toBe('Allowed');
    expect(await onKey(checker, 'kms:Decrypt')).toBe('ImplicitlyDenied');
  });

  it('that only write records reach no vault', async () => {
    for (const id of [/^FunctionsfinishjobRole/, /^FunctionsfailjobRole/, /^FunctionsdeadmanRole/]) {
      expect(await onVault(role(id), 's3:GetObject')).toBe('ImplicitlyDenied');
      const table = `arn:aws:dynamodb:${primary}:${account}:table/holdfast-acme`;
      expect(await simulate(role(id), { action: 'dynamodb:PutItem', resource: table })).toBe('Allowed');
      expect(await simulate(role(id), { action: 'dynamodb:DeleteTable', resource: table })).toBe(
        'ImplicitlyDenied',
      );
    }
  });
});

describe('a plan without a break-glass key', () => {
  it('lets writer and checker decrypt for S3 alone', async () => {
    const plan = await examplePlan('acme');
    const without = testStacks({
      ...plan,
      vault: { ...plan.vault, breakGlassPublicKey: undefined },
    }).resources;
    const throughS3 = {
      'kms:ViaService': `s3.${primary}.amazonaws.com`,
      'kms:EncryptionContext:aws:s3:arn': `arn:aws:s3:::${bucket}`,
    };
    for (const id of [/^TasksBackupRole/, /^FunctionscheckcopyRole/]) {
      const who = roleOf(without, { region: primary, id });
      expect(await onKey(who, 'kms:Decrypt', 'mrk-vault', throughS3)).toBe('Allowed');
      expect(await onKey(who, 'kms:Decrypt')).toBe('ImplicitlyDenied');
    }
  });
});
