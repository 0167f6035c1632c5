import type { Stack } from 'aws-cdk-lib';
import { beforeAll, describe, expect, it } from 'vitest';
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
    expect(before(stacks.vaultStandby)).toEqual([]);
    expect(before(stacks.vault)).toEqual(['VaultStandby']);
    expect(before(stacks.replication)).toEqual(['Vault', 'VaultStandby']);
    expect(before(stacks.controlPrimary)).toEqual(['Vault', 'VaultStandby']);
    expect(before(stacks.controlStandby)).toEqual(['Vault', 'VaultStandby']);
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
      BucketKeyEnabled: true,
      ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' },
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
        SourceSelectionCriteria: {
          ReplicaModifications: { Status: 'Disabled' },
          SseKmsEncryptedObjects: { Status: 'Enabled' },
        },
        Destination: {
          Bucket: `arn:aws:s3:::${standbyBucket}`,
          EncryptionConfiguration: { ReplicaKmsKeyID: `arn:aws:kms:us-west-2:${account}:key/aws-s3` },
          Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
          ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
        },
      },
    ]);
  });

  it('goes back from standby to primary by its own stack', () => {
    expect(bucketOf(resources, standbyBucket)['ReplicationConfiguration']).toBeUndefined();
    expect(one('Custom::HoldfastReplication', 'us-west-2')).toMatchObject({
      Bucket: standbyBucket,
      DestinationArn: `arn:aws:s3:::${primaryBucket}`,
      RoleArn: `arn:aws:iam::${account}:role/holdfast-acme-replication-us-west-2`,
      ReplicaKeyArn: `arn:aws:kms:us-east-1:${account}:key/aws-s3`,
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
  it('are multi-Region, with the primaries where the first stack is', () => {
    const keys = resources.filter(
      ({ type, properties }) => type === 'AWS::KMS::Key' && properties['MultiRegion'],
    );
    expect(
      keys.map(({ region, properties }) => [
        region,
        properties['KeySpec'],
        properties['RotationPeriodInDays'],
      ]),
    ).toEqual([
      ['us-west-2', undefined, 90],
      ['us-west-2', 'ECC_NIST_P256', undefined],
    ]);
    const replicas = resources.filter(({ type }) => type === 'AWS::KMS::ReplicaKey');
    expect(replicas.map(({ region, properties }) => [region, properties['PrimaryKeyArn']])).toEqual([
      ['us-east-1', `arn:aws:kms:us-west-2:${account}:key/mrk-vault`],
      ['us-east-1', `arn:aws:kms:us-west-2:${account}:key/mrk-signing`],
    ]);
  });

  it('keep the catalogue in both Regions, recoverable and protected from deletion', () => {
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
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35 },
      });
    }
  });
});
