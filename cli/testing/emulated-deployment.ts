import { CloudTrailClient, CreateTrailCommand, StartLoggingCommand } from '@aws-sdk/client-cloudtrail';
import { CloudFormationClient, CreateStackCommand } from '@aws-sdk/client-cloudformation';
import { CreateRepositoryCommand, ECRClient, PutImageCommand } from '@aws-sdk/client-ecr';
import { ECSClient, RegisterTaskDefinitionCommand } from '@aws-sdk/client-ecs';
import { CreateAliasCommand, CreateKeyCommand, KMSClient, ReplicateKeyCommand } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createCatalogTable } from '../../core/catalog/testing.dynamodb.ts';
import { planFingerprint, planFingerprintOutput } from '../../core/plan/fingerprint.ts';
import { deploymentNames, stackNames, stateMachineNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';

/** What a person would see after `cdk deploy`, as far as the commands look at it. */
export interface EmulatedDeployment {
  readonly aws: LocalAws;
  /** Vault key of each Region, by name of the Region. */
  readonly vaultKeyIds: Readonly<Record<string, string>>;
  /** For clients that look behind the commands' back. */
  settings(region: string): {
    readonly region: string;
    readonly endpoint: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
}

/** Starts an emulator and puts a plan's resources into both Regions. */
export async function emulateDeployment(plan: Plan): Promise<EmulatedDeployment> {
  const aws = await startAws();
  // The plan's account is the one that the emulator takes from the access key.
  Object.assign(aws.environment, { AWS_ACCESS_KEY_ID: plan.account });
  const settings: EmulatedDeployment['settings'] = (region) => ({
    region,
    endpoint: aws.endpoint,
    credentials: { accessKeyId: plan.account, secretAccessKey: 'test' },
  });
  const { primary, standby } = plan.regions;
  const names = deploymentNames(plan);
  const kms = (region: string) => new KMSClient(settings(region));
  const alias = (region: string, AliasName: string, TargetKeyId: string) =>
    kms(region).send(new CreateAliasCommand({ AliasName, TargetKeyId }));
  const { KeyMetadata: signing } = await kms(primary).send(
    new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', MultiRegion: true }),
  );
  const signingKeyId = signing?.KeyId ?? '';
  await kms(primary).send(new ReplicateKeyCommand({ KeyId: signingKeyId, ReplicaRegion: standby }));
  const { KeyMetadata: vault } = await kms(primary).send(new CreateKeyCommand({ MultiRegion: true }));
  const vaultKeyId = vault?.KeyId ?? '';
  await kms(primary).send(new ReplicateKeyCommand({ KeyId: vaultKeyId, ReplicaRegion: standby }));
  const vaultKeyIds: Record<string, string> = {};
  for (const region of [primary, standby]) {
    await alias(region, names.signingKeyAlias, signingKeyId);
    vaultKeyIds[region] = vaultKeyId;
    await alias(region, names.vaultKeyAlias, vaultKeyId);
    await deployRegion(plan, settings(region));
    await deployStacks(plan, settings(region));
  }
  for (const region of [primary, standby]) await replicate(plan, settings(region), vaultKeyIds[region] ?? '');
  const cloudTrail = new CloudTrailClient(settings(primary));
  const Name = 'organisation';
  await cloudTrail.send(new CreateTrailCommand({ Name, S3BucketName: 'trail', IsMultiRegionTrail: true }));
  await cloudTrail.send(new StartLoggingCommand({ Name }));
  return { aws, vaultKeyIds, settings };
}

async function deployRegion(plan: Plan, settings: ReturnType<EmulatedDeployment['settings']>): Promise<void> {
  const names = deploymentNames(plan);
  await createCatalogTable(new DynamoDBClient(settings), names.table);
  const s3 = new S3Client({ ...settings, forcePathStyle: true });
  const Bucket = names.vaultBucket(settings.region);
  const { lock, retentionDays } = plan.vault;
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: lock !== 'none' }));
  if (lock !== 'none') {
    const Mode = lock === 'governance' ? 'GOVERNANCE' : 'COMPLIANCE';
    const Rule = { DefaultRetention: { Mode, Days: retentionDays } } as const;
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule } as const;
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
  }
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  const secrets = new SecretsManagerClient(settings);
  for (const Name of ['shop-db/backup', 'shop-db/restored']) {
    await secrets.send(new CreateSecretCommand({ Name, SecretString: nobody(Name) }));
  }
  const sns = new SNSClient(settings);
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: names.alarmTopic }));
  const Endpoint = `arn:aws:sqs:${settings.region}:${plan.account}:pager`;
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
  const sfn = new SFNClient(settings);
  for (const machine of stateMachineNames) {
    const definition = JSON.stringify({ StartAt: 'Done', States: { Done: { Type: 'Succeed' } } });
    const roleArn = `arn:aws:iam::${plan.account}:role/machine`;
    await sfn.send(new CreateStateMachineCommand({ name: names.stateMachine(machine), definition, roleArn }));
  }
}

/** A secret that fits, of a database that nobody serves. */
function nobody(secret: string): string {
  const dbname = secret.split('/')[1];
  return JSON.stringify({ host: '127.0.0.1', port: 1, dbname, username: 'nobody', password: 'nothing' });
}

type Settings = ReturnType<EmulatedDeployment['settings']>;

/** What stacks and registry say, which no command needs but doctor. */
async function deployStacks(plan: Plan, settings: Settings): Promise<void> {
  const names = deploymentNames(plan);
  const cloudFormation = new CloudFormationClient(settings);
  const isHere = (name: string) =>
    (name === 'Replication' || name.endsWith('Standby')) === (settings.region === plan.regions.standby);
  for (const name of stackNames.filter(isHere)) {
    const Outputs = { [planFingerprintOutput]: { Value: planFingerprint(plan) } };
    const Resources = { Nothing: { Type: 'AWS::CloudFormation::WaitConditionHandle' } };
    const TemplateBody = JSON.stringify({ Resources, Outputs });
    await cloudFormation.send(new CreateStackCommand({ StackName: names.stack(name), TemplateBody }));
  }
  const ecr = new ECRClient(settings);
  await ecr.send(new CreateRepositoryCommand({ repositoryName: 'holdfast' }));
  const digest = await putImage(ecr);
  const uri = `${plan.account}.dkr.ecr.${settings.region}.amazonaws.com/holdfast@${digest}`;
  await new ECSClient(settings).send(
    new RegisterTaskDefinitionCommand({
      family: names.taskFamily('postgres-restore'),
      containerDefinitions: [{ name: 'main', image: uri, memory: 512 }],
    }),
  );
}

/** The image of the tasks, always the same. Returns its digest. */
export async function putImage(ecr: ECRClient): Promise<string | undefined> {
  const imageManifest = JSON.stringify({ schemaVersion: 2, config: {}, layers: [] });
  const order = { repositoryName: 'holdfast', imageManifest, imageTag: 'one' };
  return (await ecr.send(new PutImageCommand(order))).image?.imageId?.imageDigest;
}

/** The rule that the stacks make, from this Region's vault to the other's. */
async function replicate(plan: Plan, settings: Settings, vaultKeyId: string): Promise<void> {
  const names = deploymentNames(plan);
  const { primary, standby } = plan.regions;
  const peer = settings.region === primary ? standby : primary;
  await new S3Client({ ...settings, forcePathStyle: true }).send(
    new PutBucketReplicationCommand({
      Bucket: names.vaultBucket(settings.region),
      ReplicationConfiguration: {
        Role: `arn:aws:iam::${plan.account}:role/${names.prefix}-replication-${settings.region}`,
        Rules: [
          {
            ID: 'copy-everything',
            Status: 'Enabled',
            Priority: 1,
            Filter: { Prefix: '' },
            DeleteMarkerReplication: { Status: 'Disabled' },
            SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
            Destination: {
              Bucket: `arn:aws:s3:::${names.vaultBucket(peer)}`,
              EncryptionConfiguration: {
                ReplicaKmsKeyID: `arn:aws:kms:${peer}:${plan.account}:key/${vaultKeyId}`,
              },
              Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
              ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
            },
          },
        ],
      },
    }),
  );
}
