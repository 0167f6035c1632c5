import {
  CloudWatchClient,
  DeleteAlarmMuteRuleCommand,
  GetAlarmMuteRuleCommand,
  ListAlarmMuteRulesCommand,
  PutAlarmMuteRuleCommand,
} from '@aws-sdk/client-cloudwatch';
import { CreateTableCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketReplicationCommand,
  GetObjectLockConfigurationCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  RequestServiceQuotaIncreaseCommand,
  ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from './local-aws.ts';
import { clientSettings, deployTemplate, waitFor } from './testing.ts';

let aws: LocalAws;
const client = (region: string) => clientSettings(aws, region);

beforeAll(async () => {
  aws = await startAws();
});
afterAll(() => aws.stop());

const bucket = (name: string, more: object = {}) => ({
  Type: 'AWS::S3::Bucket',
  Properties: {
    BucketName: name,
    VersioningConfiguration: { Status: 'Enabled' },
    ObjectLockEnabled: true,
    ObjectLockConfiguration: {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 7 } },
    },
    ...more,
  },
});

describe('s3_bucket_in_cloudformation', () => {
  it('applies lock, replication, lifecycle and encryption of the template', async () => {
    await deployTemplate(client('us-west-2'), 'peer', { B: bucket('peer') });
    await deployTemplate(client('us-east-1'), 'home', {
      B: bucket('home', {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            {
              BucketKeyEnabled: true,
              ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'alias/x' },
            },
          ],
        },
        LifecycleConfiguration: {
          Rules: [
            {
              Id: 'tiers',
              Status: 'Enabled',
              TagFilters: [{ Key: 'holdfast', Value: 'data' }],
              Transitions: [{ StorageClass: 'GLACIER_IR', TransitionInDays: 7 }],
              NoncurrentVersionTransitions: [{ StorageClass: 'GLACIER_IR', TransitionInDays: 7 }],
            },
          ],
        },
        ReplicationConfiguration: {
          Role: 'arn:aws:iam::111122223333:role/replication',
          Rules: [
            {
              Id: 'all',
              Priority: 1,
              Status: 'Enabled',
              Filter: { Prefix: 'v1/' },
              DeleteMarkerReplication: { Status: 'Disabled' },
              Destination: { Bucket: 'arn:aws:s3:::peer' },
            },
          ],
        },
      }),
    });
    const s3 = new S3Client(client('us-east-1'));
    const lock = await s3.send(new GetObjectLockConfigurationCommand({ Bucket: 'home' }));
    expect(lock.ObjectLockConfiguration?.Rule?.DefaultRetention).toEqual({ Mode: 'COMPLIANCE', Days: 7 });
    const lifecycle = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket: 'home' }));
    expect(lifecycle.Rules?.[0]).toMatchObject({
      ID: 'tiers',
      Transitions: [{ Days: 7, StorageClass: 'GLACIER_IR' }],
    });
    const replication = await s3.send(new GetBucketReplicationCommand({ Bucket: 'home' }));
    expect(replication.ReplicationConfiguration?.Rules?.[0]).toMatchObject({
      ID: 'all',
      Filter: { Prefix: 'v1/' },
      Destination: { Bucket: 'arn:aws:s3:::peer' },
    });
    const encryption = await s3.send(new GetBucketEncryptionCommand({ Bucket: 'home' }));
    expect(encryption.ServerSideEncryptionConfiguration?.Rules?.[0]?.BucketKeyEnabled).toBe(true);
  });
});

describe('s3_multipart_uploads and s3_replication', () => {
  const CRC = 'rosUhgp5mIg='; // CRC-64/NVME check value of "123456789", big-endian

  async function uploadMultipart(key: string, checksum: string) {
    const s3 = new S3Client(client('us-east-1'));
    const target = { Bucket: 'home', Key: key };
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({
        ...target,
        ChecksumAlgorithm: 'CRC64NVME',
        ChecksumType: 'FULL_OBJECT',
        Tagging: 'holdfast=data',
        ObjectLockMode: 'COMPLIANCE',
        ObjectLockRetainUntilDate: new Date('2031-01-02T03:04:05Z'),
      }),
    );
    const part = (PartNumber: number, Body: string) =>
      s3.send(
        new UploadPartCommand({ ...target, UploadId, PartNumber, Body, ChecksumAlgorithm: 'CRC64NVME' }),
      );
    const parts = [await part(1, '12345'), await part(2, '6789')];
    return s3.send(
      new CompleteMultipartUploadCommand({
        ...target,
        UploadId,
        ChecksumType: 'FULL_OBJECT',
        ChecksumCRC64NVME: checksum,
        MultipartUpload: { Parts: parts.map((p, i) => ({ PartNumber: i + 1, ETag: p.ETag })) },
      }),
    );
  }

  it('accepts the correct full-object checksum and keeps it with lock and tags', async () => {
    const done = await uploadMultipart('v1/good', CRC);
    expect(done).toMatchObject({ ChecksumCRC64NVME: CRC, ChecksumType: 'FULL_OBJECT' });
    const s3 = new S3Client(client('us-east-1'));
    const head = await s3.send(
      new HeadObjectCommand({
        Bucket: 'home',
        Key: 'v1/good',
        VersionId: done.VersionId,
        ChecksumMode: 'ENABLED',
      }),
    );
    expect(head).toMatchObject({ ChecksumCRC64NVME: CRC, ContentLength: 9, ObjectLockMode: 'COMPLIANCE' });
    expect(head.ObjectLockRetainUntilDate?.toISOString()).toBe('2031-01-02T03:04:05.000Z');
  });

  it('refuses a wrong full-object checksum', async () => {
    await expect(uploadMultipart('v1/bad', 'AAAAAAAAAAA=')).rejects.toMatchObject({ name: 'BadDigest' });
  });

  it('replicates with the same version id, checksum, lock and tags', async () => {
    const done = await uploadMultipart('v1/copied', CRC);
    const peer = new S3Client(client('us-west-2'));
    const query = { Bucket: 'peer', Key: 'v1/copied', VersionId: done.VersionId };
    const head = await waitFor(() => peer.send(new HeadObjectCommand({ ...query, ChecksumMode: 'ENABLED' })));
    expect(head).toMatchObject({
      ReplicationStatus: 'REPLICA',
      ChecksumCRC64NVME: CRC,
      ObjectLockMode: 'COMPLIANCE',
    });
    expect(head.ObjectLockRetainUntilDate?.toISOString()).toBe('2031-01-02T03:04:05.000Z');
    const tags = await peer.send(new GetObjectTaggingCommand(query));
    expect(tags.TagSet).toEqual([{ Key: 'holdfast', Value: 'data' }]);
    const source = await new S3Client(client('us-east-1')).send(
      new HeadObjectCommand({ Bucket: 'home', Key: 'v1/copied' }),
    );
    expect(source.ReplicationStatus).toBe('COMPLETED');
  });

  it('moves nothing while a Region is off and catches up after its return', async () => {
    const dead = path.join(aws.directory, 'dead-regions');
    fs.writeFileSync(dead, 'us-west-2');
    const done = await uploadMultipart('v1/late', CRC);
    const peer = new S3Client(client('us-west-2'));
    const query = { Bucket: 'peer', Key: 'v1/late', VersionId: done.VersionId };
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await expect(peer.send(new HeadObjectCommand(query))).rejects.toMatchObject({ name: 'NotFound' });
    const pending = await new S3Client(client('us-east-1')).send(
      new HeadObjectCommand({ Bucket: 'home', Key: 'v1/late' }),
    );
    expect(pending.ReplicationStatus).toBe('PENDING');
    fs.rmSync(dead);
    await expect(waitFor(() => peer.send(new HeadObjectCommand(query)))).resolves.toMatchObject({
      ContentLength: 9,
    });
  });
});

describe('dynamodb_global_table_in_cloudformation', () => {
  it('makes the replica in the other Region', async () => {
    const key = { AttributeName: 'pk', KeyType: 'HASH' };
    await deployTemplate(client('us-east-1'), 'table', {
      T: {
        Type: 'AWS::DynamoDB::GlobalTable',
        Properties: {
          TableName: 'global',
          BillingMode: 'PAY_PER_REQUEST',
          KeySchema: [key],
          AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
          StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
          Replicas: [{ Region: 'us-east-1' }, { Region: 'us-west-2' }],
        },
      },
    });
    const west = new DynamoDBClient(client('us-west-2'));
    const { Table } = await west.send(new DescribeTableCommand({ TableName: 'global' }));
    expect(Table?.KeySchema).toEqual([key]);
    await expect(
      west.send(
        new CreateTableCommand({
          TableName: 'global',
          BillingMode: 'PAY_PER_REQUEST',
          KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
          AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        }),
      ),
    ).rejects.toMatchObject({ name: 'ResourceInUseException' });
  });
});

describe('cloudwatch_mute_rules', () => {
  it('makes, lists, reads and deletes them in one Region', async () => {
    const [here, there] = ['us-east-1', 'us-west-2'].map((region) => new CloudWatchClient(client(region)));
    const listed = async (one = here!) =>
      (await one.send(new ListAlarmMuteRulesCommand({ Statuses: ['ACTIVE'] }))).AlarmMuteRuleSummaries?.map(
        ({ AlarmMuteRuleArn = '' }) => AlarmMuteRuleArn.split(':').at(-1),
      );
    const Rule = { Schedule: { Expression: 'at(2026-12-24T00:00)', Duration: 'P1D' } };
    const MuteTargets = { AlarmNames: ['cpu'] };
    await here!.send(new PutAlarmMuteRuleCommand({ Name: 'holiday', Rule, MuteTargets }));
    expect([await listed(), await listed(there)]).toEqual([['holiday'], []]);
    const named = { AlarmMuteRuleName: 'holiday' };
    expect(await here!.send(new GetAlarmMuteRuleCommand(named))).toMatchObject({ MuteTargets, Rule });
    await here!.send(new DeleteAlarmMuteRuleCommand(named));
    expect(await listed()).toEqual([]);
    await expect(here!.send(new GetAlarmMuteRuleCommand(named))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });
});

describe('service_quotas', () => {
  it("tells Fargate's default, then what was applied in that Region, and knows nothing else", async () => {
    const quota = { ServiceCode: 'fargate', QuotaCode: 'L-3032A538' };
    const [east, west] = ['us-east-1', 'us-west-2'].map((region) => new ServiceQuotasClient(client(region)));
    const applied = new GetServiceQuotaCommand(quota);
    await expect(east!.send(applied)).rejects.toMatchObject({ name: 'NoSuchResourceException' });
    expect(await east!.send(new GetAWSDefaultServiceQuotaCommand(quota))).toMatchObject({
      Quota: { QuotaName: 'Fargate On-Demand vCPU resource count', Value: 4000 },
    });
    await east!.send(new RequestServiceQuotaIncreaseCommand({ ...quota, DesiredValue: 6 }));
    expect((await east!.send(applied)).Quota?.Value).toBe(6);
    await expect(west!.send(applied)).rejects.toMatchObject({ name: 'NoSuchResourceException' });
    await expect(
      east!.send(new GetAWSDefaultServiceQuotaCommand({ ...quota, QuotaCode: 'L-1' })),
    ).rejects.toMatchObject({ name: 'NoSuchResourceException' });
  });
});
