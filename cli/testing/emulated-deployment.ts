import { CloudTrailClient, CreateTrailCommand, StartLoggingCommand } from '@aws-sdk/client-cloudtrail';
import { CreateAliasCommand, CreateKeyCommand, KMSClient, ReplicateKeyCommand } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createCatalogTable } from '../../core/catalog/testing.dynamodb.ts';
import { deploymentNames, stateMachineNames } from '../../core/plan/names.ts';
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
  const vaultKeyIds: Record<string, string> = {};
  for (const region of [primary, standby]) {
    await alias(region, names.signingKeyAlias, signingKeyId);
    const { KeyMetadata } = await kms(region).send(new CreateKeyCommand({}));
    vaultKeyIds[region] = KeyMetadata?.KeyId ?? '';
    await alias(region, names.vaultKeyAlias, vaultKeyIds[region]);
    await deployRegion(plan, settings(region));
  }
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
    await secrets.send(new CreateSecretCommand({ Name, SecretString: '{}' }));
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
