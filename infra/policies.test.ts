import { beforeAll, describe, expect, it } from 'vitest';
import {
  account,
  object,
  type PolicyLab,
  peerBucket,
  policyLab,
  primary,
  standby,
  writtenOnce,
} from './testing/policy-lab.ts';
import { administrator, type Principal, simulate } from './testing/simulate.ts';

let lab: PolicyLab;
beforeAll(async () => {
  lab = await policyLab();
});

describe('the retention role', () => {
  const retention = () => lab.role(/^holdfast-acme-retention-us-east-1$/);

  it('deletes versions of recovery points', async () => {
    expect(await lab.onVault(retention(), 's3:DeleteObjectVersion')).toBe('Allowed');
  });

  it('cannot bypass a lock, hide, write or configure', async () => {
    expect(await lab.onVault(retention(), 's3:BypassGovernanceRetention')).toBe('ExplicitlyDenied');
    expect(await lab.onVault(retention(), 's3:DeleteObject')).toBe('ImplicitlyDenied');
    expect(await lab.onVault(retention(), 's3:PutObject', writtenOnce)).toBe('ImplicitlyDenied');
    expect(await lab.onBucket(retention(), 's3:PutLifecycleConfiguration')).toBe('ExplicitlyDenied');
  });

  it('cannot delete in the other Region', async () => {
    const resource = `arn:aws:s3:::${peerBucket}/v1/shop-db/x`;
    expect(await lab.onPeerVault(retention(), 's3:DeleteObjectVersion', resource)).toBe('ExplicitlyDenied');
  });
});

describe('a governance lock', () => {
  let governed: PolicyLab;
  beforeAll(async () => {
    governed = await policyLab({ lock: 'governance' });
  });
  const bypass = (who: Principal) => governed.onVault(who, 's3:BypassGovernanceRetention');

  it('is lifted by the retention role and by nobody else', async () => {
    const retention = governed.role(/^holdfast-acme-retention-us-east-1$/);
    expect(await bypass(retention)).toBe('Allowed');
    expect(await governed.onVault(retention, 's3:DeleteObjectVersion')).toBe('Allowed');
    expect(await bypass(administrator())).toBe('ExplicitlyDenied');
    const deployment = `arn:aws:iam::${account}:role/cdk-hnb659fds-cfn-exec-role-${account}-${primary}`;
    expect(await bypass(administrator(deployment))).toBe('ExplicitlyDenied');
    for (const id of [/\.backup\.shop-db\./, /\.restore\.shop-db\./, /^FunctionscheckcopyRole/])
      expect(await bypass(governed.role(id))).toBe('ExplicitlyDenied');
  });

  it('is lifted by the retention role of its own Region only', async () => {
    expect(await bypass(governed.role(/^holdfast-acme-retention-us-west-2$/, standby))).toBe(
      'ExplicitlyDenied',
    );
  });

  it('is bounded as a compliance lock is', async () => {
    const lockedFor = (days: string) =>
      governed.onVault(governed.role(/\.backup\.shop-db\./), 's3:PutObjectRetention', {
        's3:object-lock-remaining-retention-days': days,
      });
    expect(await lockedFor('403')).toBe('Allowed');
    expect(await lockedFor('404')).toBe('ExplicitlyDenied');
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
    expect(await lab.onBucket(deployment, action)).toBe('Allowed');
  });

  it.each(['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:BypassGovernanceRetention'])(
    'cannot %s',
    async (action) => {
      expect(await lab.onVault(deployment, action)).toBe('ExplicitlyDenied');
    },
  );

  it('neither changes nor ends a key', async () => {
    expect(await lab.onKey(deployment, 'kms:PutKeyPolicy')).toBe('ExplicitlyDenied');
    expect(await lab.onKey(deployment, 'kms:ScheduleKeyDeletion')).toBe('ExplicitlyDenied');
    expect(await lab.onKey(deployment, 'kms:DisableKey')).toBe('ExplicitlyDenied');
  });
});

describe('an administrator', () => {
  it.each(configuration)('cannot %s', async (action) => {
    expect(await lab.onBucket(administrator(), action)).toBe('ExplicitlyDenied');
  });

  it.each(['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention', 's3:PutObjectLegalHold'])(
    'cannot %s',
    async (action) => {
      expect(await lab.onVault(administrator(), action)).toBe('ExplicitlyDenied');
    },
  );

  it.each(['kms:ScheduleKeyDeletion', 'kms:DisableKey', 'kms:PutKeyPolicy'])('cannot %s', async (action) => {
    expect(await lab.onKey(administrator(), action)).toBe('ExplicitlyDenied');
  });

  it('can still read, and only by an encrypted connection', async () => {
    expect(await lab.onVault(administrator(), 's3:GetObject')).toBe('Allowed');
    expect(await lab.onVault(administrator(), 's3:GetObject', { 'aws:SecureTransport': 'false' })).toBe(
      'ExplicitlyDenied',
    );
    expect(await lab.onVault(administrator(), 's3:GetObject', { 's3:TlsVersion': '1.1' })).toBe(
      'ExplicitlyDenied',
    );
  });
});

describe('what nobody may do, whoever they are', () => {
  const everyone = () => [
    administrator(),
    administrator(`arn:aws:iam::${account}:role/cdk-hnb659fds-cfn-exec-role-${account}-${primary}`),
    administrator(`arn:aws:iam::${account}:role/holdfast-acme-retention-us-east-1`),
    lab.role(/\.backup\.shop-db\./),
  ];
  const manifest = object.replace(/data\/.*$/, 'manifest.json');

  it.each(['s3:PutObjectTagging', 's3:DeleteObjectTagging', 's3:PutObjectVersionTagging'])(
    '%s on a manifest',
    async (action) => {
      for (const who of everyone())
        expect([who.arn, await lab.onVault(who, action, {}, manifest)]).toEqual([
          who.arn,
          'ExplicitlyDenied',
        ]);
    },
  );

  // A tag that comes with a new object is set before the object has any.
  it.each(['s3:PutObjectTagging', 's3:PutObjectVersionTagging', 's3:DeleteObjectTagging'])(
    '%s on data that has its tag',
    async (action) => {
      for (const who of everyone())
        expect([
          who.arn,
          await lab.onVault(who, action, { 's3:ExistingObjectTag/holdfast': 'data' }),
        ]).toEqual([who.arn, 'ExplicitlyDenied']);
    },
  );

  // Objects in an archive class are never copied to the other Region.
  it.each(['DEEP_ARCHIVE', 'GLACIER', 'ONEZONE_IA'])('store an object as %s', async (storageClass) => {
    const store = (who: Principal, context: object) =>
      lab.onVault(who, 's3:PutObject', { ...writtenOnce, ...context });
    for (const who of everyone()) {
      const chosen = { 's3:x-amz-storage-class': storageClass };
      expect([who.arn, await store(who, chosen)]).toEqual([who.arn, 'ExplicitlyDenied']);
    }
    const writer = lab.role(/\.backup\.shop-db\./);
    expect(await store(writer, {})).toBe('Allowed');
    expect(await store(writer, { 's3:x-amz-storage-class': 'STANDARD' })).toBe('Allowed');
  });

  it('give an object another key', async () => {
    for (const who of everyone())
      expect(await lab.onVault(who, 's3:UpdateObjectEncryption')).toBe('ExplicitlyDenied');
  });
});

describe('the trust of the retention role', () => {
  it('is in break-glass alone: no service can be given it', () => {
    const roles = lab.resources.filter(({ properties }) => /-retention-/.test(properties['RoleName'] ?? ''));
    expect(roles).toHaveLength(2);
    for (const { properties } of roles) {
      expect(properties['AssumeRolePolicyDocument'].Statement).toEqual([
        {
          Action: 'sts:AssumeRole',
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${account}:root` },
          Condition: {
            ArnEquals: { 'aws:PrincipalArn': `arn:aws:iam::${account}:role/holdfast-acme-break-glass` },
          },
        },
      ]);
    }
  });
});

describe('the function that keeps the keys', () => {
  const keeper = () => lab.role(/^holdfast-acme-keep-key-us-east-1$/);
  const aliased = (alias: string) => ({ 'kms:ResourceAliases': [alias] });

  it('makes keys, names them and keeps their policies', async () => {
    expect(await simulate(keeper(), { action: 'kms:CreateKey', resource: '*' })).toBe('Allowed');
    const put = (context: ReturnType<typeof aliased>) =>
      lab.onKey(keeper(), 'kms:PutKeyPolicy', 'mrk-vault', context);
    expect(await put(aliased('alias/holdfast-acme-vault'))).toBe('Allowed');
    expect(await put(aliased('alias/other'))).toBe('ImplicitlyDenied');
  });

  it('tags a primary for its alias and with nothing else, and sees whether there is a vault', async () => {
    const standbyKeeper = lab.role(/^holdfast-acme-keep-key-us-west-2$/, standby);
    const key = `arn:aws:kms:${standby}:${account}:key/mrk-vault`;
    const keyPolicy = lab.resources.find(
      ({ type, region }) => type === 'Custom::HoldfastKey' && region === standby,
    )?.properties['KeyPolicy'];
    const tag = (name: string) => {
      const context = { 'aws:TagKeys': [name] };
      return simulate(standbyKeeper, { action: 'kms:TagResource', resource: key, context }, keyPolicy);
    };
    expect(await tag('holdfast-alias')).toBe('Allowed');
    expect(await tag('owner')).toBe('ImplicitlyDenied');
    const list = { action: 's3:ListBucket', resource: `arn:aws:s3:::${peerBucket}` };
    expect(await simulate(standbyKeeper, list)).toBe('Allowed');
    for (const who of [standbyKeeper, keeper()])
      expect(await simulate(who, { action: 'kms:ListKeys', resource: '*' })).toBe('Allowed');
  });

  it('makes replicas in its own Region only', async () => {
    const there = lab.resources.find(
      ({ type, region }) => type === 'Custom::HoldfastKey' && region === standby,
    );
    const replicate = (region: string) =>
      simulate(
        keeper(),
        {
          action: 'kms:ReplicateKey',
          resource: `arn:aws:kms:${standby}:${account}:key/mrk-vault`,
          context: { 'kms:ReplicaRegion': region },
        },
        there?.properties['KeyPolicy'],
      );
    expect(await replicate(primary)).toBe('Allowed');
    expect(await replicate('eu-west-1')).toBe('ImplicitlyDenied');
  });

  it('ends no key and opens nothing with one', async () => {
    for (const action of ['kms:ScheduleKeyDeletion', 'kms:DisableKey'])
      expect([action, await lab.onKey(keeper(), action)]).toEqual([action, 'ExplicitlyDenied']);
    for (const action of ['kms:Decrypt', 'kms:Sign', 'kms:CreateGrant', 'kms:DeleteAlias']) {
      expect([action, await lab.onKey(keeper(), action)]).toEqual([action, 'ImplicitlyDenied']);
    }
  });
});

describe('break-glass', () => {
  it('is the only role that ends a key', async () => {
    const breakGlass = administrator(`arn:aws:iam::${account}:role/holdfast-acme-break-glass`);
    expect(await lab.onKey(breakGlass, 'kms:DisableKey')).toBe('Allowed');
    expect(await lab.onKey(breakGlass, 'kms:ScheduleKeyDeletion')).toBe('Allowed');
  });
});

describe('the replication of the standby', () => {
  const setReplication = (who: Principal) => lab.onPeerVault(who, 's3:PutReplicationConfiguration');

  it('is set by one function and by nobody else, deployment role included', async () => {
    expect(await setReplication(lab.role(/^holdfast-acme-set-replication$/, standby))).toBe('Allowed');
    expect(await setReplication(administrator())).toBe('ExplicitlyDenied');
    const deployment = `arn:aws:iam::${account}:role/cdk-hnb659fds-cfn-exec-role-${account}-${standby}`;
    expect(await setReplication(administrator(deployment))).toBe('ExplicitlyDenied');
  });

  it('is all that this function may change', async () => {
    const setter = lab.role(/^holdfast-acme-set-replication$/, standby);
    for (const action of configuration.filter((one) => one !== 's3:PutReplicationConfiguration')) {
      const verdict = await lab.onPeerVault(setter, action);
      expect([action, verdict]).toEqual([action, 'ExplicitlyDenied']);
    }
  });

  it('copies with lock and tags, and cannot delete', async () => {
    const copier = lab.role(/^holdfast-acme-replication-us-east-1$/);
    const copy = `arn:aws:s3:::${peerBucket}/v1/shop-db/x`;
    expect(await lab.onPeerVault(copier, 's3:ReplicateObject', copy)).toBe('Allowed');
    expect(await lab.onVault(copier, 's3:GetObjectRetention')).toBe('Allowed');
    expect(await lab.onPeerVault(copier, 's3:ReplicateDelete', copy)).toBe('ImplicitlyDenied');
  });
});

describe('short decisions', () => {
  it('inspect both vaults without the key that decrypts', async () => {
    const checker = lab.role(/^FunctionscheckcopyRole/);
    expect(await lab.onVault(checker, 's3:GetObjectVersion')).toBe('Allowed');
    const there = `arn:aws:s3:::${peerBucket}/v1/shop-db/x`;
    expect(await lab.onPeerVault(checker, 's3:GetObjectRetention', there)).toBe('Allowed');
    expect(await lab.onKey(checker, 'kms:Decrypt')).toBe('ImplicitlyDenied');
  });

  it('reach no vault when they only write records', async () => {
    for (const id of [/^FunctionsfinishjobRole/, /^FunctionsfailjobRole/]) {
      expect(await lab.onVault(lab.role(id), 's3:GetObject')).toBe('ImplicitlyDenied');
      expect(await lab.onItems(lab.role(id), 'dynamodb:PutItem', 'SOURCE#shop-db')).toBe('Allowed');
      for (const partition of ['CONTROL', undefined])
        expect(await lab.onItems(lab.role(id), 'dynamodb:PutItem', partition)).toBe('ImplicitlyDenied');
      expect(await lab.onItems(lab.role(id), 'dynamodb:DeleteTable')).toBe('ImplicitlyDenied');
    }
  });

  it('measure the age of backups from the vault, and see no record that a task could forge', async () => {
    const deadMan = lab.role(/^FunctionsdeadmanRole/);
    expect(await lab.onVault(deadMan, 's3:GetObjectVersion')).toBe('Allowed');
    expect(JSON.stringify(deadMan.policies)).not.toContain('dynamodb:');
  });

  it('write the control item only where the first claim does', async () => {
    const writers: string[] = [];
    const roles = lab.resources.filter(({ type, region }) => type === 'AWS::IAM::Role' && region === primary);
    for (const { logicalId } of roles) {
      const verdicts = ['PutItem', 'UpdateItem', 'DeleteItem'].map((action) =>
        lab.onItems(lab.role(new RegExp(`^${logicalId}$`)), `dynamodb:${action}`, 'CONTROL'),
      );
      if ((await Promise.all(verdicts)).includes('Allowed')) writers.push(logicalId);
    }
    expect(writers).toEqual([expect.stringMatching(/^FunctionsclaimjobRole/)]);
  });
});
