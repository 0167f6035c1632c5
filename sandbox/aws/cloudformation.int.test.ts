import {
  CloudFormationClient,
  CreateChangeSetCommand,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
} from '@aws-sdk/client-cloudformation';
import { DescribeTableCommand, DynamoDBClient, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand, KMSClient, ReplicateKeyCommand } from '@aws-sdk/client-kms';
import { GetBucketPolicyCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from './local-aws.ts';
import { clientSettings, waitFor } from './testing.ts';

let aws: LocalAws;
let cloudFormation: CloudFormationClient;
const client = (region: string) => clientSettings(aws, region);

beforeAll(async () => {
  aws = await startAws();
  cloudFormation = new CloudFormationClient(client('us-east-1'));
});
afterAll(() => aws.stop());

type Resources = Readonly<Record<string, object>>;
const body = (Resources: Resources) => JSON.stringify({ Resources });

/** How a stack's operation ended, and every reason that was given on the way. */
async function ended(StackName: string): Promise<{ status: string; reasons: string }> {
  const status = await waitFor(async () => {
    const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
    const found = Stacks?.[0]?.StackStatus ?? '';
    if (found.endsWith('IN_PROGRESS')) throw new Error(`${StackName} is ${found}`);
    return found;
  });
  const { StackEvents } = await cloudFormation.send(new DescribeStackEventsCommand({ StackName }));
  return { status, reasons: (StackEvents ?? []).map((one) => one.ResourceStatusReason ?? '').join('\n') };
}

async function create(StackName: string, resources: Resources) {
  await cloudFormation.send(
    new CreateStackCommand({
      StackName,
      TemplateBody: body(resources),
      Capabilities: ['CAPABILITY_NAMED_IAM'],
    }),
  );
  return ended(StackName);
}

/** As `cdk deploy --import-existing-resources`. */
async function adopt(StackName: string, resources: Resources) {
  const names = { StackName, ChangeSetName: 'adopt' };
  await cloudFormation.send(
    new CreateChangeSetCommand({
      ...names,
      ChangeSetType: 'CREATE',
      ImportExistingResources: true,
      TemplateBody: body(resources),
      Capabilities: ['CAPABILITY_NAMED_IAM'],
    }),
  );
  const changes = await waitFor(async () => {
    const set = await cloudFormation.send(new DescribeChangeSetCommand(names));
    if (set.Status !== 'CREATE_COMPLETE') throw new Error(`${set.Status}: ${set.StatusReason}`);
    return set.Changes ?? [];
  });
  await cloudFormation.send(new ExecuteChangeSetCommand(names));
  const actions = changes.map(({ ResourceChange: one }) => `${one?.Action} ${one?.LogicalResourceId}`);
  return { ...(await ended(StackName)), actions: actions.toSorted() };
}

async function remove(StackName: string) {
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
  await cloudFormation.send(new DeleteStackCommand({ StackName }));
  return ended(Stacks?.[0]?.StackId ?? '');
}

const kept = { DeletionPolicy: 'Retain' };
const table = (TableName: string, more: object = {}) => ({
  Type: 'AWS::DynamoDB::GlobalTable',
  Properties: {
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
    StreamSpecification: { StreamViewType: 'NEW_AND_OLD_IMAGES' },
    Replicas: [{ Region: 'us-east-1', ...more }, { Region: 'us-west-2' }],
  },
});
const bucket = (BucketName: string) => ({ Type: 'AWS::S3::Bucket', Properties: { BucketName } });
const bucketPolicy = (Bucket: string) => ({
  Type: 'AWS::S3::BucketPolicy',
  Properties: {
    Bucket,
    PolicyDocument: {
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Deny', Principal: '*', Action: 's3:DeleteObject', Resource: `arn:aws:s3:::${Bucket}/*` },
      ],
    },
  },
});
const role = (RoleName: string) => ({
  Type: 'AWS::IAM::Role',
  Properties: {
    RoleName,
    AssumeRolePolicyDocument: {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    },
  },
});
const all = (name: string, policy: object): Resources => ({
  T: { ...table(name), ...policy },
  B: { ...bucket(name), ...policy },
  P: { ...bucketPolicy(name), ...policy, DependsOn: 'B' },
  R: { ...role(name), ...policy },
  L: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: name }, ...policy },
});

describe('cloudformation_existing_names and cloudformation_imports_by_name', () => {
  const dynamodb = () => new DynamoDBClient(client('us-east-1'));
  beforeAll(async () => {
    await create('first', all('outlives', kept));
    await dynamodb().send(new PutItemCommand({ TableName: 'outlives', Item: { pk: { S: 'kept' } } }));
    await remove('first');
  });

  it.each(['T', 'B', 'P', 'R', 'L'])('create nothing under a name that is taken: %s', async (id) => {
    const { DependsOn: _, ...resource } = all('outlives', kept)[id] as { DependsOn?: string };
    const failed = await create(`again-${id}`, { [id]: resource });
    expect(failed.status).toBe('ROLLBACK_COMPLETE');
    expect(failed.reasons + (await validationReasons(`again-${id}`))).toMatch(
      /already exists|Validation fail/,
    );
    const { Items } = await dynamodb().send(new ScanCommand({ TableName: 'outlives' }));
    expect(Items).toEqual([{ pk: { S: 'kept' } }]);
  });
  const validationReasons = async (StackName: string) =>
    (await cloudFormation.send(new DescribeStacksCommand({ StackName }))).Stacks?.[0]?.StackStatusReason ??
    '';

  it('take over by name what is kept, with what is in it', async () => {
    const taken = await adopt('second', all('outlives', kept));
    expect(taken).toMatchObject({
      status: 'CREATE_COMPLETE',
      actions: ['Import B', 'Import L', 'Import P', 'Import R', 'Import T'],
    });
    const { Items } = await dynamodb().send(new ScanCommand({ TableName: 'outlives' }));
    expect(Items).toEqual([{ pk: { S: 'kept' } }]);
    const { Policy } = await new S3Client(client('us-east-1')).send(
      new GetBucketPolicyCommand({ Bucket: 'outlives' }),
    );
    expect(Policy).toContain('Deny');
  });

  it('take nothing over whose name is a reference: what is found that way is to be made', async () => {
    await create('kept-policy', {
      B: { ...bucket('referred'), ...kept },
      P: { ...bucketPolicy('referred'), ...kept, DependsOn: 'B' },
    });
    await remove('kept-policy');
    const policy = bucketPolicy('referred');
    const failed = await adopt('refers', {
      B: { ...bucket('referred'), ...kept },
      P: { ...policy, ...kept, Properties: { ...policy.Properties, Bucket: { Ref: 'B' } } },
    });
    expect(failed.actions).toEqual(['Add P', 'Import B']);
    expect(failed.status).toBe('ROLLBACK_COMPLETE');
    expect(failed.reasons).toContain("'referred' already exists");
  });
});

describe('cloudformation_refused_deletes', () => {
  it('delete no protected table, so that a failed first deployment stays failed', async () => {
    const failed = await create('protected', {
      T: table('guarded', { DeletionProtectionEnabled: true }),
      R: { ...role('outlives'), DependsOn: 'T' },
    });
    expect(failed.status).toBe('ROLLBACK_FAILED');
    expect(failed.reasons).toContain('Table is protected against deletion');
  });

  it('delete a global table with its replicas', async () => {
    await create('twice', { T: table('twice') });
    expect(await remove('twice')).toMatchObject({ status: 'DELETE_COMPLETE' });
    for (const region of ['us-east-1', 'us-west-2']) {
      const dynamodb = new DynamoDBClient(client(region));
      await expect(dynamodb.send(new DescribeTableCommand({ TableName: 'twice' }))).rejects.toMatchObject({
        name: 'ResourceNotFoundException',
      });
    }
  });

  it('delete no bucket that holds something', async () => {
    await create('full', { B: bucket('full') });
    await new S3Client(client('us-east-1')).send(
      new PutObjectCommand({ Bucket: 'full', Key: 'a', Body: 'a' }),
    );
    const failed = await remove('full');
    expect(failed.status).toBe('DELETE_FAILED');
    expect(failed.reasons).toContain('is not empty');
  });
});

describe('the emulator itself', () => {
  it('makes one replica of a key in a Region, as KMS does', async () => {
    const kms = new KMSClient(client('us-west-2'));
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({ MultiRegion: true }));
    const order = new ReplicateKeyCommand({ KeyId: KeyMetadata?.Arn, ReplicaRegion: 'us-east-1' });
    await kms.send(order);
    await expect(kms.send(order)).rejects.toMatchObject({ name: 'AlreadyExistsException' });
  });
});
