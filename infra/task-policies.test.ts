import { beforeAll, describe, expect, it } from 'vitest';
import {
  account,
  bucket,
  object,
  ofSource,
  otherObject,
  peerBucket,
  type PolicyLab,
  policyLab,
  primary,
  standby,
  writtenOnce,
} from './testing/policy-lab.ts';
import { type Principal, simulate } from './testing/simulate.ts';

let lab: PolicyLab;
beforeAll(async () => {
  lab = await policyLab();
});

describe('a writer', () => {
  const writer = () => lab.role(/\.backup\.shop-db\./);

  it('creates objects of its source, tagged and locked', async () => {
    expect(await lab.onVault(writer(), 's3:PutObject', writtenOnce)).toBe('Allowed');
    expect(await lab.onVault(writer(), 's3:PutObjectTagging')).toBe('Allowed');
    expect(
      await lab.onVault(writer(), 's3:PutObjectRetention', {
        's3:object-lock-remaining-retention-days': '400',
      }),
    ).toBe('Allowed');
    expect(await lab.onVault(writer(), 's3:AbortMultipartUpload')).toBe('Allowed');
  });

  it('starts uploads and sends parts, which know no condition', async () => {
    expect(await lab.onVault(writer(), 's3:PutObject', { 's3:ObjectCreationOperation': 'false' })).toBe(
      'Allowed',
    );
  });

  it.each([
    ['s3:x-amz-server-side-encryption-customer-algorithm', 'AES256'],
    ['s3:x-amz-server-side-encryption-aws-kms-key-id', 'arn:aws:kms:us-east-1:999999999999:key/mine'],
    ['s3:x-amz-server-side-encryption', 'AES256'],
  ])('cannot store under a key or encryption of its own: %s', async (header, value) => {
    expect(await lab.onVault(writer(), 's3:PutObject', { ...writtenOnce, [header]: value })).toBe(
      'ExplicitlyDenied',
    );
  });

  it('cannot write a key without the condition that it is new', async () => {
    expect(await lab.onVault(writer(), 's3:PutObject', { 's3:ObjectCreationOperation': 'true' })).toBe(
      'ExplicitlyDenied',
    );
  });

  it('cannot lock for longer than the plan and its tolerance of three days', async () => {
    const lockedFor = (days: string) =>
      lab.onVault(writer(), 's3:PutObjectRetention', { 's3:object-lock-remaining-retention-days': days });
    expect(await lockedFor('403')).toBe('Allowed');
    expect(await lockedFor('404')).toBe('ExplicitlyDenied');
  });

  it.each([
    ['outside v1', `arn:aws:s3:::${bucket}/elsewhere`],
    ['of another source', otherObject],
    ['of a source whose name begins alike', object.replace('/v1/shop-db/', '/v1/shop-db-2/')],
    ['of a source that the plan does not have', `arn:aws:s3:::${bucket}/v1/other-db/x`],
    ['in the other Region', `arn:aws:s3:::${peerBucket}/v1/shop-db/x`],
  ])('cannot create objects %s', async (_, resource) => {
    expect(await lab.onVault(writer(), 's3:PutObject', writtenOnce, resource)).toBe('ImplicitlyDenied');
  });

  it.each([
    's3:DeleteObject',
    's3:DeleteObjectVersion',
    's3:PutObjectLegalHold',
    's3:BypassGovernanceRetention',
  ])('cannot %s', async (action) => {
    expect(await lab.onVault(writer(), action)).toBe('ExplicitlyDenied');
  });

  it('does nothing to objects of another source, nor reads them', async () => {
    for (const action of ['s3:PutObjectRetention', 's3:PutObjectTagging', 's3:AbortMultipartUpload']) {
      expect([action, await lab.onVault(writer(), action, writtenOnce, otherObject)]).toEqual([
        action,
        'ImplicitlyDenied',
      ]);
    }
    expect(await lab.onVault(writer(), 's3:GetObject')).toBe('Allowed');
    for (const action of ['s3:GetObject', 's3:GetObjectVersion'])
      expect(await lab.onVault(writer(), action, {}, otherObject)).toBe('ImplicitlyDenied');
  });

  it('gets data keys for its source and signs, but decrypts nothing that is stored', async () => {
    expect(await lab.onKey(writer(), 'kms:GenerateDataKey', 'mrk-vault', ofSource('shop-db'))).toBe(
      'Allowed',
    );
    expect(await lab.onKey(writer(), 'kms:GenerateDataKey', 'mrk-vault', ofSource('till-db'))).toBe(
      'ImplicitlyDenied',
    );
    expect(await lab.onKey(writer(), 'kms:GenerateDataKey')).toBe('ImplicitlyDenied');
    expect(await lab.onKey(writer(), 'kms:Sign', 'mrk-signing')).toBe('Allowed');
    expect(await lab.onKey(writer(), 'kms:Decrypt')).toBe('ImplicitlyDenied');
    expect(await lab.onKey(writer(), 'kms:Decrypt', 'mrk-vault', ofSource('shop-db'))).toBe(
      'ImplicitlyDenied',
    );
  });

  it('reads the secret of its source, of no other source and of no target', async () => {
    const secret = (name: string) =>
      simulate(writer(), {
        action: 'secretsmanager:GetSecretValue',
        resource: `arn:aws:secretsmanager:${primary}:${account}:secret:${name}-AbCdEf`,
      });
    expect(await secret('shop-db/backup')).toBe('Allowed');
    expect(await secret('till-db/backup')).toBe('ImplicitlyDenied');
    expect(await secret('shop-db/beside')).toBe('ImplicitlyDenied');
    expect(await secret('shop-db/backup-of-someone-else')).toBe('ImplicitlyDenied');
  });

  it('decrypts a secret that it may read with any key, through Secrets Manager alone', async () => {
    const decrypt = (secret: string, service = 'secretsmanager') =>
      lab.onKey(writer(), 'kms:Decrypt', 'of-its-owner', {
        'kms:ViaService': `${service}.${primary}.amazonaws.com`,
        'kms:EncryptionContext:SecretARN': `arn:aws:secretsmanager:${primary}:${account}:secret:${secret}-AbCdEf`,
      });
    expect(await decrypt('shop-db/backup')).toBe('Allowed');
    expect(await decrypt('shop-db/backup', 's3')).toBe('ImplicitlyDenied');
  });
});

describe.each(['backup', 'restore', 'restore-test'])('the catalogue and a task for a %s', (workflow) => {
  const task = () => lab.role(new RegExp(`\\.${workflow}\\.shop-db\\.`));

  it.each(['GetItem', 'PutItem', 'DeleteItem'])(
    'lets it %s on items of its own source alone',
    async (action) => {
      const verdict = (partition?: string) => lab.onItems(task(), `dynamodb:${action}`, partition);
      expect(await verdict('SOURCE#shop-db')).toBe('Allowed');
      for (const other of ['SOURCE#till-db', 'SOURCE#shop-db-2', 'SOURCE#', 'JOB#01', undefined])
        expect([other, await verdict(other)]).toEqual([other, 'ImplicitlyDenied']);
    },
  );

  it('lets it read the epoch and change nothing about it', async () => {
    expect(await lab.onItems(task(), 'dynamodb:GetItem', 'CONTROL')).toBe('Allowed');
    for (const action of ['PutItem', 'UpdateItem', 'DeleteItem', 'Query', 'BatchWriteItem', 'PartiQLUpdate'])
      expect([action, await lab.onItems(task(), `dynamodb:${action}`, 'CONTROL')]).toEqual([
        action,
        'ImplicitlyDenied',
      ]);
  });

  it('shows it no index and no table: those hold what is of other sources', async () => {
    const table = `arn:aws:dynamodb:${primary}:${account}:table/holdfast-acme`;
    const context = { 'dynamodb:LeadingKeys': ['SOURCE#shop-db'] };
    for (const [action, resource] of [
      ['dynamodb:Query', `${table}/index/byKind`],
      ['dynamodb:Scan', table],
      ['dynamodb:ExportTableToPointInTime', table],
    ] as const)
      expect(await simulate(task(), { action, resource, context })).toBe('ImplicitlyDenied');
  });
});

describe.each(['restore', 'restore-test'])('a reader for a %s', (workflow) => {
  const reader = () => lab.role(new RegExp(`\\.${workflow}\\.shop-db\\.`));

  it('reads and decrypts any version of its source', async () => {
    expect(await lab.onVault(reader(), 's3:GetObjectVersion')).toBe('Allowed');
    expect(await lab.onKey(reader(), 'kms:Decrypt', 'mrk-vault', ofSource('shop-db'))).toBe('Allowed');
    expect(await lab.onKey(reader(), 'kms:Verify', 'mrk-signing')).toBe('Allowed');
  });

  it('reads and decrypts nothing of another source', async () => {
    for (const action of ['s3:GetObject', 's3:GetObjectVersion'])
      expect(await lab.onVault(reader(), action, {}, otherObject)).toBe('ImplicitlyDenied');
    expect(await lab.onKey(reader(), 'kms:Decrypt', 'mrk-vault', ofSource('till-db'))).toBe(
      'ImplicitlyDenied',
    );
    expect(await lab.onKey(reader(), 'kms:Decrypt')).toBe('ImplicitlyDenied');
  });

  it.each(['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectTagging', 's3:AbortMultipartUpload'])(
    'cannot %s',
    async (action) => {
      expect(await lab.onVault(reader(), action, writtenOnce)).toBe('ImplicitlyDenied');
    },
  );

  it('cannot delete, sign or make data keys', async () => {
    expect(await lab.onVault(reader(), 's3:DeleteObjectVersion')).toBe('ExplicitlyDenied');
    expect(await lab.onKey(reader(), 'kms:Sign', 'mrk-signing')).toBe('ImplicitlyDenied');
    expect(await lab.onKey(reader(), 'kms:GenerateDataKey', 'mrk-vault', ofSource('shop-db'))).toBe(
      'ImplicitlyDenied',
    );
  });
});

describe('the secrets of readers', () => {
  it('are, for a restore, those of targets of its own Region and of no source', async () => {
    const reader = lab.role(/\.restore\.shop-db\./);
    const secret = (who: Principal, region: string, name: string) =>
      simulate(who, {
        action: 'secretsmanager:GetSecretValue',
        resource: `arn:aws:secretsmanager:${region}:${account}:secret:${name}-AbCdEf`,
      });
    expect(await secret(reader, primary, 'shop-db/beside')).toBe('Allowed');
    expect(await secret(reader, primary, 'shop-db/backup')).toBe('ImplicitlyDenied');
    const inStandby = lab.role(/\.restore\.shop-db\./, standby);
    expect(await secret(inStandby, standby, 'shop-db/restored')).toBe('Allowed');
    expect(await secret(inStandby, standby, 'shop-db/beside')).toBe('ImplicitlyDenied');
  });

  it('are none for a restore test but the key of its canaries', async () => {
    const statements = JSON.stringify(lab.role(/\.restore-test\.shop-db\./).policies);
    expect(statements).toContain('s3:GetObjectVersion');
    const named = statements.match(/secret:[^"]*/g) ?? [];
    // The second is the condition on the key of a secret, which Secrets Manager asks for only after the first.
    const expected = ['secret:holdfast-acme/canary-key/shop-db-??????', 'secret:*'];
    expect(new Set(named)).toEqual(new Set(expected));
  });
});

describe('the role of the task definitions', () => {
  it('may do nothing: a run without a role of its own reaches nothing', async () => {
    const definitions = lab.resources.filter(({ type }) => type === 'AWS::ECS::TaskDefinition');
    const named = new Set(
      definitions.map(({ region, properties }) => `${region} ${properties['TaskRoleArn']}`),
    );
    const nobody = lab.role(/^TasksRolesWithoutRights/);
    expect(nobody.policies).toEqual([]);
    expect(named).toEqual(
      new Set([
        `${primary} ${nobody.arn}`,
        `${standby} ${lab.role(/^TasksRolesWithoutRights/, standby).arn}`,
      ]),
    );
  });
});

describe('a break-glass key that a living plan gets', () => {
  it('leaves what was stored before under the vault key readable, by everyone who reads', async () => {
    const throughS3 = {
      'kms:ViaService': `s3.${primary}.amazonaws.com`,
      'kms:EncryptionContext:aws:s3:arn': `arn:aws:s3:::${bucket}`,
    };
    const readers = [
      /\.backup\.shop-db\./,
      /\.restore\.shop-db\./,
      /\.restore-test\.shop-db\./,
      /^FunctionsclaimjobRole/,
      /^FunctionscheckcopyRole/,
      /^FunctionsdeadmanRole/,
      /^holdfast-acme-replication-us-east-1$/,
    ];
    for (const id of readers) {
      const onKey = (action: string) => lab.onKey(lab.role(id), action, 'mrk-vault', throughS3);
      expect([id, await onKey('kms:Decrypt')]).toEqual([id, 'Allowed']);
      expect([id, await onKey('kms:GenerateDataKey')]).toEqual([id, 'ImplicitlyDenied']);
    }
  });
});

describe('a plan without a break-glass key', () => {
  it('lets tasks and checker use it for S3 in this bucket, and no more than that', async () => {
    const without = await policyLab({ breakGlassPublicKey: undefined });
    const throughS3 = (arn: string) => ({
      'kms:ViaService': `s3.${primary}.amazonaws.com`,
      'kms:EncryptionContext:aws:s3:arn': arn,
    });
    const roles = [
      without.role(/\.backup\.shop-db\./),
      without.role(/\.restore\.shop-db\./),
      without.role(/\.restore-test\.shop-db\./),
      without.role(/^FunctionscheckcopyRole/),
    ];
    for (const one of roles) {
      const decrypt = (context: Record<string, string>) =>
        without.onKey(one, 'kms:Decrypt', 'mrk-vault', context);
      expect([one.arn, await decrypt(throughS3(`arn:aws:s3:::${bucket}`))]).toEqual([one.arn, 'Allowed']);
      expect(await decrypt(throughS3(object))).toBe('Allowed');
      expect(await decrypt(throughS3(`arn:aws:s3:::${bucket}-logs`))).toBe('ImplicitlyDenied');
      expect(await decrypt({})).toBe('ImplicitlyDenied');
    }
    const dataKey = (one: Principal) =>
      without.onKey(one, 'kms:GenerateDataKey', 'mrk-vault', throughS3(`arn:aws:s3:::${bucket}`));
    const [writer, ...readers] = roles;
    expect(await dataKey(writer!)).toBe('Allowed');
    for (const one of readers) expect(await dataKey(one)).toBe('ImplicitlyDenied');
  });
});
