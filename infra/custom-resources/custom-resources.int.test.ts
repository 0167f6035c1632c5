import { CreateTableCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  KMSClient,
  ListKeysCommand,
  UpdateAliasCommand,
  CreateKeyCommand,
} from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  GetBucketReplicationCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { type FaultyProxy, startFaultyProxy } from '../../core/vault/testing/faulty-proxy.ts';
import { runCustomResource } from '../testing/run-custom-resource.ts';
import { handler as keepKey } from './keep-key.handler.ts';
import { handler as protectTable } from './protect-table.handler.ts';
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

  it('puts back what somebody changed', async () => {
    const s3 = new S3Client();
    const read = async () =>
      (await s3.send(new GetBucketReplicationCommand({ Bucket: 'back-from' }))).ReplicationConfiguration;
    const right = await read();
    const [rule] = right?.Rules ?? [];
    await s3.send(
      new PutBucketReplicationCommand({
        Bucket: 'back-from',
        ReplicationConfiguration: { Role: right?.Role, Rules: [{ ...rule!, Status: 'Disabled' }] },
      }),
    );
    expect((await read())?.Rules?.[0]?.Status).toBe('Disabled');
    expect(await runCustomResource(setReplication, 'Update', properties('false'))).toMatchObject({
      Status: 'SUCCESS',
    });
    expect(await read()).toEqual(right);
  });
});

describe('keep-key', () => {
  const at = async <T>(region: string, work: () => Promise<T>) => {
    vi.stubEnv('AWS_REGION', region);
    return work().finally(() => vi.stubEnv('AWS_REGION', 'us-east-1'));
  };
  const policy = (sid: string) => ({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: sid,
        Effect: 'Allow',
        Principal: { AWS: 'arn:aws:iam::111122223333:root' },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  });
  const properties = {
    Alias: 'alias/holdfast-kept',
    Description: 'kept',
    KeySpec: 'SYMMETRIC_DEFAULT',
    KeyPolicy: policy('First'),
    PrimaryRegion: 'us-west-2',
    VaultBucket: 'holdfast-kept-vault',
    RotationDays: '90',
  };
  const keep = (region: string, change: object = {}, request: 'Create' | 'Update' | 'Delete' = 'Create') =>
    at(region, () => runCustomResource(keepKey, request, { ...properties, ...change }));
  const east = () => new KMSClient({ region: 'us-east-1' });
  const west = () => new KMSClient({ region: 'us-west-2' });
  const keysIn = async (client: KMSClient) => (await client.send(new ListKeysCommand())).Keys?.length;

  it('makes the primary with rotation, then its replica, and finds both again', async () => {
    const primary = await keep('us-west-2');
    expect(primary).toMatchObject({ Status: 'SUCCESS' });
    const rotation = await west().send(new GetKeyRotationStatusCommand({ KeyId: primary.Data?.['Arn'] }));
    expect(rotation).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 });
    const replica = await keep('us-east-1');
    expect(replica.Data?.['Arn']).toBe(primary.Data?.['Arn']?.replace('us-west-2', 'us-east-1'));
    const { CiphertextBlob } = await west().send(
      new EncryptCommand({ KeyId: properties.Alias, Plaintext: Buffer.from('secret') }),
    );
    const { Plaintext } = await east().send(new DecryptCommand({ KeyId: properties.Alias, CiphertextBlob }));
    expect(Buffer.from(Plaintext ?? []).toString()).toBe('secret');

    const before = [await keysIn(east()), await keysIn(west())];
    expect((await keep('us-west-2')).PhysicalResourceId).toBe(primary.PhysicalResourceId);
    expect((await keep('us-east-1')).PhysicalResourceId).toBe(replica.PhysicalResourceId);
    expect([await keysIn(east()), await keysIn(west())]).toEqual(before);
  });

  it('finds a replica whose alias was never made: there can be no second one', async () => {
    const { KeyMetadata } = await east().send(new DescribeKeyCommand({ KeyId: properties.Alias }));
    await east().send(new DeleteAliasCommand({ AliasName: properties.Alias }));
    expect((await keep('us-east-1')).Data?.['Arn']).toBe(KeyMetadata?.Arn);
    const again = await east().send(new DescribeKeyCommand({ KeyId: properties.Alias }));
    expect(again.KeyMetadata?.Arn).toBe(KeyMetadata?.Arn);
  });

  it('puts the policy back that somebody changed', async () => {
    const read = async () =>
      (await east().send(new GetKeyPolicyCommand({ KeyId: await keyId() }))).Policy ?? '';
    const keyId = async () =>
      (await east().send(new DescribeKeyCommand({ KeyId: properties.Alias }))).KeyMetadata?.KeyId;
    expect(await read()).toContain('First');
    await keep('us-east-1', { KeyPolicy: policy('Second') }, 'Update');
    expect(JSON.parse(await read())).toEqual(policy('Second'));
  });

  it('takes over no key that is disabled or of another kind, and ends none', async () => {
    expect((await keep('us-east-1', { KeySpec: 'ECC_NIST_P256' })).Reason).toContain(
      'is a SYMMETRIC_DEFAULT, not a ECC_NIST_P256',
    );
    expect(await keep('us-east-1', {}, 'Delete')).toMatchObject({ Status: 'SUCCESS' });
    const { KeyMetadata } = await east().send(new DescribeKeyCommand({ KeyId: properties.Alias }));
    expect(KeyMetadata?.KeyState).toBe('Enabled');
    await east().send(new DisableKeyCommand({ KeyId: KeyMetadata?.KeyId }));
    expect((await keep('us-east-1')).Reason).toContain('is Disabled; it must be Enabled');
  });

  it('gives a primary its alias back, and makes no second one in its place', async () => {
    const { KeyMetadata } = await west().send(new DescribeKeyCommand({ KeyId: properties.Alias }));
    const before = await keysIn(west());
    const update = { physicalId: KeyMetadata?.Arn };
    await west().send(new DeleteAliasCommand({ AliasName: properties.Alias }));
    expect(await keep('us-west-2', update, 'Update')).toMatchObject({ PhysicalResourceId: KeyMetadata?.Arn });
    const again = await west().send(new DescribeKeyCommand({ KeyId: properties.Alias }));
    expect([again.KeyMetadata?.Arn, await keysIn(west())]).toEqual([KeyMetadata?.Arn, before]);

    const { KeyMetadata: other } = await west().send(new CreateKeyCommand({ MultiRegion: true }));
    await west().send(new UpdateAliasCommand({ AliasName: properties.Alias, TargetKeyId: other?.KeyId }));
    expect((await keep('us-west-2', update, 'Update')).Reason).toContain(
      `leads to ${other?.Arn} and this stack keeps ${KeyMetadata?.Arn}; put it back by aws kms update-alias`,
    );
    await west().send(
      new UpdateAliasCommand({ AliasName: properties.Alias, TargetKeyId: KeyMetadata?.KeyId }),
    );
  });

  it('finds a primary by its tag when its alias was never made', async () => {
    const half = { Alias: 'alias/holdfast-half' };
    const made = await keep('us-west-2', half);
    await west().send(new DeleteAliasCommand({ AliasName: half.Alias }));
    const before = await keysIn(west());
    expect((await keep('us-west-2', half)).Data?.['Arn']).toBe(made.Data?.['Arn']);
    expect(await keysIn(west())).toBe(before);
  });

  it('makes no primary while there is a vault, whose points it could not open', async () => {
    const s3 = new S3Client({ region: 'us-west-2' });
    await s3.send(new CreateBucketCommand({ Bucket: properties.VaultBucket }));
    const before = await keysIn(west());
    const refused = await keep('us-west-2', { Alias: 'alias/holdfast-lost' });
    expect(refused).toMatchObject({ Status: 'FAILED' });
    expect(refused.Reason).toContain(
      'vault holdfast-kept-vault is there and its key alias/holdfast-lost is not',
    );
    expect(refused.Reason).toContain(
      'aws kms create-alias --region us-west-2 --alias-name alias/holdfast-lost',
    );
    expect(await keysIn(west())).toBe(before);
  });

  it('says when the primary is not there yet', async () => {
    const early = await keep('us-east-1', { Alias: 'alias/holdfast-early' });
    expect(early.Reason).toContain('no key alias/holdfast-early in us-west-2');
  });
});

describe('protect-table', () => {
  let proxy: FaultyProxy;
  beforeAll(async () => {
    proxy = await startFaultyProxy(aws.endpoint);
  });
  afterAll(() => proxy.stop());
  const viaProxy = async <T>(work: () => Promise<T>) => {
    vi.stubEnv('AWS_ENDPOINT_URL', proxy.endpoint);
    return work().finally(() => vi.stubEnv('AWS_ENDPOINT_URL', aws.endpoint));
  };
  const silence = (region: string) => {
    proxy.rule = ({ headers }) =>
      headers.authorization?.includes(`/${region}/`) === true ? 'reset' : 'pass';
  };
  const tableNamed = (TableName: string) => ({
    TableName,
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' as const }],
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' as const }],
    BillingMode: 'PAY_PER_REQUEST' as const,
  });

  it('protects the table in every Region, and leaves it so', async () => {
    const regions = ['us-east-1', 'us-west-2'];
    for (const region of regions)
      await new DynamoDBClient({ region }).send(new CreateTableCommand(tableNamed('catalogue')));
    const isProtected = async (region: string) =>
      (await new DynamoDBClient({ region }).send(new DescribeTableCommand({ TableName: 'catalogue' }))).Table
        ?.DeletionProtectionEnabled;
    const properties = { TableName: 'catalogue', Regions: regions };
    expect(await runCustomResource(protectTable, 'Create', properties)).toMatchObject({ Status: 'SUCCESS' });
    expect(await runCustomResource(protectTable, 'Update', properties)).toMatchObject({ Status: 'SUCCESS' });
    expect(await runCustomResource(protectTable, 'Delete', properties)).toMatchObject({ Status: 'SUCCESS' });
    expect(await Promise.all(regions.map(isProtected))).toEqual([true, true]);
  });

  it('is patient with a table that is being changed', async () => {
    const client = new DynamoDBClient();
    await client.send(new CreateTableCommand(tableNamed('busy')));
    let orders = 0;
    proxy.rule = ({ headers }) => {
      if (!String(headers['x-amz-target']).endsWith('UpdateTable')) return 'pass';
      orders += 1;
      const body = JSON.stringify({ __type: 'ResourceInUseException', message: 'being changed' });
      return orders === 1 ? { status: 400, body } : 'pass';
    };
    const done = await viaProxy(() =>
      runCustomResource(protectTable, 'Create', { TableName: 'busy', Regions: ['us-east-1'] }),
    );
    expect(done).toMatchObject({ Status: 'SUCCESS' });
    const { Table } = await client.send(new DescribeTableCommand({ TableName: 'busy' }));
    expect([Table?.DeletionProtectionEnabled, orders]).toEqual([true, 2]);
  });

  it('passes an update while the other Region is down, and no creation', async () => {
    await new DynamoDBClient().send(new CreateTableCommand(tableNamed('alone')));
    const properties = { TableName: 'alone', Regions: ['us-east-1', 'us-west-2'] };
    silence('us-west-2');
    const at = (request: 'Create' | 'Update') =>
      viaProxy(() => runCustomResource(protectTable, request, properties));
    expect(await at('Update')).toMatchObject({ Status: 'SUCCESS' });
    expect(await at('Create')).toMatchObject({ Status: 'FAILED' });
    silence('us-east-1');
    expect(await at('Update')).toMatchObject({ Status: 'FAILED' });
    // A Region that answers, and has no such table, is not silent.
    proxy.rule = () => 'pass';
    expect((await at('Update')).Reason).toContain('ResourceNotFoundException');
  });
});
