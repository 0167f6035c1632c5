import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DescribeStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { ListSubscriptionsByTopicCommand, PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { stateMachineNames } from '../../core/plan/names.ts';
import { clientSettings, type Deployment } from './deployment.ts';

/** One thing that was looked at; `fix` is a command or an action, never a secret. */
export interface Diagnosis {
  readonly what: string;
  readonly region: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
}

/** One look at one thing. */
export interface Look {
  readonly what: string;
  readonly fix: string;
  /** Says what is fine. @throws with what is not */
  readonly look: () => Promise<string>;
}

/** What was looked at and is there, but not as it must be. */
export class Fault extends Error {}

/** Everything that must be in place in a Region before a disaster. */
export async function checkRegion(deployment: Deployment, region: string): Promise<Diagnosis[]> {
  const looks = [
    ...deployed(deployment, region),
    ...keys(deployment, region),
    ...secrets(deployment, region),
    subscriptions(deployment, region),
  ];
  return Promise.all(looks.map((look) => diagnose(look, region)));
}

/** Looks, and puts a failure into words. */
export async function diagnose({ what, fix, look }: Look, region: string): Promise<Diagnosis> {
  try {
    return { what, region, ok: true, detail: await look() };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: 'unknown', message: String(error) };
    const detail = error instanceof Fault ? message : `${name}: ${message}`;
    return { what, region, ok: false, detail: detail.slice(0, 160), fix };
  }
}

function deployed({ names }: Deployment, region: string): Look[] {
  const fix = 'npx cdk deploy --all';
  const client = new SFNClient({ region, ...clientSettings });
  const machines = stateMachineNames.map((machine) => ({
    what: `state machine ${machine}`,
    fix,
    look: async () => {
      const stateMachineArn = names.stateMachineArn(machine, region);
      const { status } = await client.send(new DescribeStateMachineCommand({ stateMachineArn }));
      if (status !== 'ACTIVE') throw new Fault(`is ${status}`);
      return 'active';
    },
  }));
  const bucket = names.vaultBucket(region);
  return [
    ...machines,
    {
      what: `catalogue ${names.table}`,
      fix,
      look: async () => {
        const command = new DescribeTableCommand({ TableName: names.table });
        const { Table } = await new DynamoDBClient({ region, ...clientSettings }).send(command);
        if (Table?.TableStatus !== 'ACTIVE') throw new Fault(`is ${Table?.TableStatus}`);
        return 'active';
      },
    },
    {
      what: `vault ${bucket}`,
      fix,
      look: async () => {
        await new S3Client({ region, ...clientSettings }).send(new HeadBucketCommand({ Bucket: bucket }));
        return 'there';
      },
    },
  ];
}

function keys({ names }: Deployment, region: string): Look[] {
  const client = new KMSClient({ region, ...clientSettings });
  return [names.vaultKeyAlias, names.signingKeyAlias].map((alias) => ({
    what: alias,
    fix: `aws kms enable-key --region ${region} --key-id $(aws kms describe-key --region ${region} --key-id ${alias} --query KeyMetadata.KeyId --output text); if it is pending deletion, first: aws kms cancel-key-deletion`,
    look: async () => {
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: alias }));
      if (KeyMetadata?.Enabled !== true) throw new Fault(`is ${KeyMetadata?.KeyState ?? 'unknown'}`);
      return 'enabled';
    },
  }));
}

/** Sources must be reachable from both Regions, targets from their own. */
function secrets({ plan }: Deployment, region: string): Look[] {
  const wanted = [
    ...plan.sources.map(({ id, connection }) => ({ of: `source ${id}`, secret: connection.secret })),
    ...plan.targets
      .filter((target) => target.region === region)
      .map(({ id, connection }) => ({ of: `target ${id}`, secret: connection.secret })),
  ];
  const client = new SecretsManagerClient({ region, ...clientSettings });
  const other = region === plan.regions.primary ? plan.regions.standby : plan.regions.primary;
  return wanted.map(({ of, secret }) => ({
    what: `secret ${secret} of ${of}`,
    fix: `aws secretsmanager replicate-secret-to-regions --region ${other} --secret-id ${secret} --add-replica-regions Region=${region}, or make it there`,
    look: async () => {
      const { DeletedDate } = await client.send(new DescribeSecretCommand({ SecretId: secret }));
      if (DeletedDate !== undefined) throw new Fault('is scheduled for deletion');
      return 'there';
    },
  }));
}

function topicArn({ plan, names }: Pick<Deployment, 'plan' | 'names'>, region: string): string {
  return `arn:aws:sns:${region}:${plan.account}:${names.alarmTopic}`;
}

function subscriptions(deployment: Deployment, region: string): Look {
  const arn = topicArn(deployment, region);
  return {
    what: `subscriptions of ${deployment.names.alarmTopic}`,
    fix: `aws sns subscribe --region ${region} --topic-arn ${arn} --protocol email --notification-endpoint ADDRESS, and confirm what arrives`,
    look: async () => {
      const client = new SNSClient({ region, ...clientSettings });
      const { Subscriptions = [] } = await client.send(
        new ListSubscriptionsByTopicCommand({ TopicArn: arn }),
      );
      const confirmed = Subscriptions.filter(
        ({ SubscriptionArn }) => SubscriptionArn?.startsWith('arn:') === true,
      );
      const waiting = Subscriptions.length - confirmed.length;
      if (waiting > 0) throw new Fault(`${waiting} of ${Subscriptions.length} are not confirmed`);
      if (confirmed.length === 0) throw new Fault('nobody would hear an alarm');
      return `${confirmed.length} confirmed`;
    },
  };
}

/** Publishes a page that says that it is a test. */
export async function publishTestPage(deployment: Deployment): Promise<Diagnosis> {
  const { region, plan } = deployment;
  const TopicArn = topicArn(deployment, region);
  return diagnose(
    {
      what: 'test page',
      fix: 'look at the topic and its key policy, then npx cdk deploy --all',
      look: async () => {
        const client = new SNSClient({ region, ...clientSettings });
        const Message = `This is a test of the alarms of Holdfast (${plan.name}). Nothing has failed. Whoever is on call should have got this.`;
        const { MessageId } = await client.send(
          new PublishCommand({ TopicArn, Subject: `Holdfast ${plan.name}: test page`, Message }),
        );
        return `published as ${MessageId}`;
      },
    },
    region,
  );
}
