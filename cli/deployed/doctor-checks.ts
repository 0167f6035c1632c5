import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { stateMachineNames } from '../../core/plan/names.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { subscriptions } from './doctor-alarms.ts';
import { heartbeatSecrets } from './doctor-heartbeat.ts';
import { taskImage } from './doctor-image.ts';
import { lockOfVault } from './doctor-lock.ts';
import { diagnose, Fault, type Finding, type Look, revertFix } from './doctor-look.ts';
import { checkNetwork } from './doctor-network.ts';
import { quotas } from './doctor-quotas.ts';
import { replicationOfVault } from './doctor-replication.ts';
import { trail } from './doctor-trail.ts';

/** What a deployment must have in a Region before a disaster. */
export async function checkRegion(deployment: Deployment, region: string): Promise<Finding[]> {
  const looks = [
    ...machines(deployment, region),
    catalogue(deployment, region),
    vault(deployment, region),
    ...keys(deployment, region),
    lockOfVault(deployment, region),
    replicationOfVault(deployment, region),
    taskImage(deployment, region),
    subscriptions(deployment, region),
  ];
  return Promise.all(looks.map((look) => diagnose(look, region)));
}

/** What a deployment needs of a Region and does not bring along; it can be looked at before the first one. */
export async function checkSurroundings(deployment: Deployment, region: string): Promise<Finding[]> {
  const looks = [trail(region), ...heartbeatSecrets(deployment, region), quotas(deployment, region)];
  const [network, ...found] = await Promise.all([
    checkNetwork(deployment, region),
    ...looks.map((look) => diagnose(look, region)),
  ]);
  return [...found, ...network];
}

function machines(deployment: Deployment, region: string): Look[] {
  const client = new SFNClient({ region, ...clientSettings });
  return stateMachineNames.map((machine) => ({
    what: `state machine ${machine}`,
    fix: revertFix(deployment),
    look: async () => {
      const stateMachineArn = deployment.names.stateMachineArn(machine, region);
      const { status } = await client.send(new DescribeStateMachineCommand({ stateMachineArn }));
      if (status !== 'ACTIVE') throw new Fault(`is ${status}`);
      return 'active';
    },
  }));
}

function catalogue(deployment: Deployment, region: string): Look {
  const { table } = deployment.names;
  return {
    what: `catalogue ${table}`,
    fix: revertFix(deployment),
    look: async () => {
      const client = new DynamoDBClient({ region, ...clientSettings });
      const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
      if (Table?.TableStatus !== 'ACTIVE') throw new Fault(`is ${Table?.TableStatus}`);
      return 'active';
    },
  };
}

function vault(deployment: Deployment, region: string): Look {
  const Bucket = deployment.names.vaultBucket(region);
  return {
    what: `vault ${Bucket}`,
    fix: revertFix(deployment),
    look: async () => {
      await new S3Client({ region, ...clientSettings }).send(new HeadBucketCommand({ Bucket }));
      return 'there';
    },
  };
}

function keys(deployment: Deployment, region: string): Look[] {
  const { names } = deployment;
  const client = new KMSClient({ region, ...clientSettings });
  return [names.vaultKeyAlias, names.signingKeyAlias].map((alias) => ({
    what: alias,
    fix: revertFix(deployment),
    look: async () => {
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: alias }));
      if (KeyMetadata?.Enabled === true) return 'enabled';
      const state = KeyMetadata?.KeyState ?? 'unknown';
      // KMS takes no alias for these two: https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html
      const key = `--region ${region} --key-id ${KeyMetadata?.KeyId}`;
      const enable = `aws kms enable-key ${key}`;
      const cancel = state.startsWith('Pending') ? `aws kms cancel-key-deletion ${key} && ` : '';
      throw new Fault(`is ${state}`, `${cancel}${enable}`);
    },
  }));
}
