import type { Stack } from 'aws-cdk-lib';
import { beforeAll, describe, expect, it } from 'vitest';
import pinnedIds from '../testing/stateful-logical-ids.json' with { type: 'json' };
import type { Plan } from '../../core/plan/plan.ts';
import type { ResolvedResource } from '../testing/resolve.ts';
import { examplePlan, testStacks } from '../testing/test-app.ts';

const account = '111122223333';
const primaryBucket = `holdfast-acme-${account}-us-east-1`;
const standbyBucket = `holdfast-acme-${account}-us-west-2`;

let plan: Plan;
let resources: readonly ResolvedResource[];
beforeAll(async () => {
  plan = await examplePlan('acme');
  ({ resources } = testStacks(plan));
});

const build = (change: Partial<Plan['vault']>) =>
  testStacks({ ...plan, vault: { ...plan.vault, ...change } }).resources;
const bucketOf = (all: readonly ResolvedResource[], name: string) => {
  const found = all.find(
    ({ type, properties }) => type === 'AWS::S3::Bucket' && properties['BucketName'] === name,
  );
  if (found === undefined) throw new Error(`no bucket ${name}`);
  return found.properties;
};
const one = (type: string, region?: string) => {
  const found = resources.filter((it) => it.type === type && (region === undefined || it.region === region));
  expect(found, type).toHaveLength(1);
  return found[0]!.properties;
};

describe('the order of the stacks', () => {
  it('puts what must exist before what needs it', () => {
    const { stacks } = testStacks(plan);
    const nameOf = (stack: Stack) => stack.stackName.replace('Holdfast-acme-', '');
    const before = (stack: Stack): string[] =>
      [...new Set(stack.dependencies.flatMap((one) => [nameOf(one), ...before(one)]))].toSorted();
    expect(before(stacks.keysStandby)).toEqual([]);
    expect(before(stacks.keys)).toEqual(['KeysStandby']);
    expect(before(stacks.vaultStandby)).toEqual(['KeysStandby']);
    expect(before(stacks.catalog)).toEqual([]);
    const vaults = ['Keys', 'KeysStandby', 'VaultStandby'];
    expect(before(stacks.vault)).toEqual(vaults);
    const all = ['Catalog', ...vaults, 'Vault'].toSorted();
    expect(before(stacks.replication)).toEqual(all);
    expect(before(stacks.controlPrimary)).toEqual(all);
    expect(before(stacks.controlStandby)).toEqual(all);
  });

  it('asks neither account nor network', () => {
    const { app } = testStacks(plan);
    expect(app.synth().manifest.missing).toBeUndefined();
  });

  it('gives the same templates for the same plan', () => {
    expect(testStacks(plan).resources).toEqual(resources);
  });
});

describe('both vault buckets', () => {
  it.each([primaryBucket, standbyBucket])('%s is versioned, locked and never expires anything', (name) => {
    const bucket = bucketOf(resources, name);
    expect(bucket['VersioningConfiguration']).toEqual({ Status: 'Enabled' });
    expect(bucket['ObjectLockEnabled']).toBe(true);
    expect(bucket['ObjectLockConfiguration'].Rule.DefaultRetention).toEqual({
      Mode: 'COMPLIANCE',
      Days: 400,
    });
    expect(bucket['LoggingConfiguration'].DestinationBucketName).toBe(`${name}-logs`);
    expect(JSON.stringify(bucket['LifecycleConfiguration'])).not.toMatch(/Expiration/);
  });

  it.each([primaryBucket, standbyBucket])('%s has access logs that nobody overwrites unseen', (name) => {
    const logs = bucketOf(resources, `${name}-logs`);
    expect(logs['VersioningConfiguration']).toEqual({ Status: 'Enabled' });
    expect(logs['LifecycleConfiguration'].Rules).toEqual([
      expect.objectContaining({
        ExpirationInDays: 400,
        NoncurrentVersionExpiration: { NoncurrentDays: 400 },
      }),
    ]);
  });

  it.each([primaryBucket, standbyBucket])('%s tiers data and its noncurrent versions alike', (name) => {
    expect(bucketOf(resources, name)['LifecycleConfiguration']).toEqual({
      TransitionDefaultMinimumObjectSize: 'all_storage_classes_128K',
      Rules: [
        {
          Id: 'abort-dead-uploads',
          Status: 'Enabled',
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
        },
        {
          Id: 'tier-data',
          Status: 'Enabled',
          TagFilters: [{ Key: 'holdfast', Value: 'data' }],
          Transitions: [
            { StorageClass: 'GLACIER_IR', TransitionInDays: 7 },
            { StorageClass: 'DEEP_ARCHIVE', TransitionInDays: 97 },
          ],
          NoncurrentVersionTransitions: [
            { StorageClass: 'GLACIER_IR', TransitionInDays: 7 },
            { StorageClass: 'DEEP_ARCHIVE', TransitionInDays: 97 },
          ],
        },
      ],
    });
  });

  it.each([
    [29, 'GLACIER_IR'],
    [30, 'STANDARD_IA'],
  ])('are warm after %i days in %s', (warmAfterDays, storageClass) => {
    const bucket = bucketOf(build({ tiers: { warmAfterDays } }), primaryBucket);
    expect(bucket['LifecycleConfiguration'].Rules[1].Transitions).toEqual([
      { StorageClass: storageClass, TransitionInDays: warmAfterDays },
    ]);
  });

  it('have no tiers when the plan has none', () => {
    const rules = bucketOf(build({ tiers: {} }), primaryBucket)['LifecycleConfiguration'].Rules;
    expect(rules.map(({ Id }: { Id: string }) => Id)).toEqual(['abort-dead-uploads']);
  });

  it('lock as the plan says', () => {
    const governed = bucketOf(build({ lock: 'governance', retentionDays: 30 }), standbyBucket);
    expect(governed['ObjectLockConfiguration'].Rule.DefaultRetention).toEqual({
      Mode: 'GOVERNANCE',
      Days: 30,
    });
    const open = bucketOf(build({ lock: 'none' }), standbyBucket);
    expect(open['ObjectLockEnabled']).toBeUndefined();
  });

  it('have a second layer that outlives the vault key when there is a break-glass key, else that key', () => {
    const layer = (all: readonly ResolvedResource[], name: string) =>
      bucketOf(all, name)['BucketEncryption'].ServerSideEncryptionConfiguration[0];
    expect(layer(resources, primaryBucket)).toEqual({
      ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
    });
    expect(layer(build({ breakGlassPublicKey: undefined }), standbyBucket)).toEqual({
      BucketKeyEnabled: true,
      ServerSideEncryptionByDefault: {
        SSEAlgorithm: 'aws:kms',
        KMSMasterKeyID: `arn:aws:kms:us-west-2:${account}:key/mrk-vault`,
      },
    });
  });
});

describe('replication', () => {
  it('copies everything from primary to standby, never a delete', () => {
    const { Role, Rules } = bucketOf(resources, primaryBucket)['ReplicationConfiguration'];
    expect(Role).toBe(`arn:aws:iam::${account}:role/holdfast-acme-replication-us-east-1`);
    expect(Rules).toEqual([
      {
        Id: 'copy-everything',
        Status: 'Enabled',
        Priority: 1,
        Filter: { Prefix: '' },
        DeleteMarkerReplication: { Status: 'Disabled' },
        // Copies of what is under S3's own keys are so too: no key of KMS may be needed to read one.
        SourceSelectionCriteria: { ReplicaModifications: { Status: 'Disabled' } },
        Destination: {
          Bucket: `arn:aws:s3:::${standbyBucket}`,
          Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
          ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
        },
      },
    ]);
  });

  it('goes back from standby to primary by its own stack', () => {
    expect(bucketOf(resources, standbyBucket)['ReplicationConfiguration']).toBeUndefined();
    const back = one('Custom::HoldfastReplication', 'us-west-2');
    expect(back['ReplicaKeyArn']).toBeUndefined();
    expect(back).toMatchObject({
      Bucket: standbyBucket,
      DestinationArn: `arn:aws:s3:::${primaryBucket}`,
      RoleArn: `arn:aws:iam::${account}:role/holdfast-acme-replication-us-west-2`,
      TimeControl: 'true',
    });
  });

  it('uses the vault key of the other Region when there is no break-glass key', () => {
    const without = build({ breakGlassPublicKey: undefined, replicationTimeControl: false });
    const [rule] = bucketOf(without, primaryBucket)['ReplicationConfiguration'].Rules;
    expect(rule.Destination.EncryptionConfiguration.ReplicaKmsKeyID).toBe(
      `arn:aws:kms:us-west-2:${account}:key/mrk-vault`,
    );
    expect(rule.Destination.ReplicationTime).toBeUndefined();
    expect(rule.Destination.Metrics.Status).toBe('Enabled');
    const back = without.find(({ type }) => type === 'Custom::HoldfastReplication');
    expect(back?.properties).toMatchObject({
      ReplicaKeyArn: `arn:aws:kms:us-east-1:${account}:key/mrk-vault`,
      TimeControl: 'false',
    });
  });
});

describe('keys and catalogue', () => {
  it('are multi-Region keys found or made in each Region, with the primaries in the standby', () => {
    const keys = resources.filter(({ type }) => type === 'Custom::HoldfastKey');
    expect(
      keys.map(({ region, properties: it }) => [
        region,
        it['Alias'],
        it['KeySpec'],
        it['PrimaryRegion'],
        it['RotationDays'],
      ]),
    ).toEqual(
      ['us-west-2', 'us-east-1'].flatMap((region) => [
        [region, 'alias/holdfast-acme-vault', 'SYMMETRIC_DEFAULT', 'us-west-2', 90],
        [region, 'alias/holdfast-acme-signing', 'ECC_NIST_P256', 'us-west-2', undefined],
      ]),
    );
    const made = resources.filter(
      ({ type, properties: it }) => type === 'AWS::KMS::Key' && it['MultiRegion'],
    );
    expect(made).toEqual([]);
  });

  it('keep the catalogue in both Regions and recoverable', () => {
    const table = one('AWS::DynamoDB::GlobalTable');
    expect(table).toMatchObject({
      TableName: 'holdfast-acme',
      BillingMode: 'PAY_PER_REQUEST',
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
    });
    expect(table['GlobalSecondaryIndexes'].map(({ IndexName }: { IndexName: string }) => IndexName)).toEqual([
      'byKind',
    ]);
    expect(table['Replicas'].map(({ Region }: { Region: string }) => Region).toSorted()).toEqual([
      'us-east-1',
      'us-west-2',
    ]);
    for (const replica of table['Replicas']) {
      expect(replica).toMatchObject({
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35 },
      });
    }
  });

  it('protect the catalogue only once it is up: CloudFormation cannot roll back a protected table', () => {
    const table = one('AWS::DynamoDB::GlobalTable');
    expect(JSON.stringify(table)).not.toContain('DeletionProtection');
    expect(one('Custom::HoldfastTableProtection')).toMatchObject({
      TableName: 'holdfast-acme',
      Regions: ['us-east-1', 'us-west-2'],
    });
  });
});

describe('what functions set', () => {
  const settings = ['Custom::HoldfastKey', 'Custom::HoldfastTableProtection', 'Custom::HoldfastReplication'];

  it.each(settings)('%s is set anew by every deployment, whatever changed behind its back', (type) => {
    const at = (appliedAt: string) =>
      testStacks(plan, { appliedAt })
        .resources.filter((it) => it.type === type)
        .map(({ properties }) => properties['AppliedAt']);
    expect(new Set(at('2031-01-02'))).toEqual(new Set(['2031-01-02']));
    expect(new Set(at('2031-01-03'))).toEqual(new Set(['2031-01-03']));
  });

  it('holds no stack up for an hour when a function says nothing', () => {
    const custom = resources.filter(({ type }) => type.startsWith('Custom::'));
    expect(custom).toHaveLength(6);
    for (const { properties } of custom)
      expect(Number(properties['ServiceTimeout'])).toBeLessThanOrEqual(300);
  });
});

describe('what cdk destroy keeps', () => {
  it('can be taken over by name: each has a static one, and says so', () => {
    const keptTypes = {
      'AWS::DynamoDB::GlobalTable': 'TableName',
      'AWS::S3::Bucket': 'BucketName',
      'AWS::S3::BucketPolicy': 'Bucket',
      'AWS::IAM::Role': 'RoleName',
    } as const;
    const { app, stacks } = testStacks(plan);
    const assembly = app.synth();
    const kept = Object.values(stacks).flatMap((stack) =>
      Object.entries<any>(assembly.getStackArtifact(stack.artifactId).template.Resources)
        .filter(([, it]) => it.DeletionPolicy?.startsWith('Retain'))
        .map(([id, it]) => ({ id: `${stack.stackName}/${id}`, type: it.Type as keyof typeof keptTypes, it })),
    );
    expect(kept.map(({ id }) => id).toSorted()).toEqual(Object.keys(pinnedIds).toSorted());
    for (const { id, type, it } of kept)
      expect([id, it.Properties[keptTypes[type]]]).toEqual([id, expect.any(String)]);
  });
});
