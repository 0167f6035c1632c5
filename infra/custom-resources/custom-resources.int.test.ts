import {
  CreateBucketCommand,
  GetBucketReplicationCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { runCustomResource } from '../testing/run-custom-resource.ts';
import { handler as setReplication } from './set-replication.handler.ts';

let aws: LocalAws;
beforeAll(async () => {
  aws = await startAws();
  for (const [key, value] of Object.entries(aws.environment)) vi.stubEnv(key, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await aws.stop();
});

describe('set-replication', () => {
  const properties = (TimeControl: 'true' | 'false') => ({
    Bucket: 'back-from',
    RoleArn: 'arn:aws:iam::111122223333:role/replication',
    DestinationArn: 'arn:aws:s3:::back-to',
    ReplicaKeyArn: 'arn:aws:kms:us-east-1:111122223333:key/mrk-1',
    TimeControl,
  });
  const destination = async () => {
    const { ReplicationConfiguration } = await new S3Client().send(
      new GetBucketReplicationCommand({ Bucket: 'back-from' }),
    );
    return ReplicationConfiguration?.Rules?.[0]?.Destination;
  };

  beforeAll(async () => {
    const s3 = new S3Client();
    for (const Bucket of ['back-from', 'back-to']) {
      await s3.send(new CreateBucketCommand({ Bucket }));
      await s3.send(
        new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      );
    }
  });

  it('sets a rule that S3 takes with time control and without', async () => {
    expect(await runCustomResource(setReplication, 'Create', properties('true'))).toMatchObject({
      Status: 'SUCCESS',
      PhysicalResourceId: 'back-from/replication',
    });
    expect(await destination()).toMatchObject({
      Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
      ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
    });

    const without = await runCustomResource(setReplication, 'Update', properties('false'));
    expect(without.Reason).toBeUndefined();
    expect((await destination())?.Metrics).toEqual({ Status: 'Enabled' });
    expect((await destination())?.ReplicationTime).toBeUndefined();
  });
});
