import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { heartbeatsOf } from '../../core/plan/alarm-catalogue.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { Fault, type Look, shellWord } from './doctor-look.ts';

/** Whether the secrets that hold addresses of heartbeats are there and hold one. The address stays in here. */
export function heartbeatSecrets({ plan }: Deployment, region: string): Look[] {
  const client = new SecretsManagerClient({ region, ...clientSettings });
  return heartbeatsOf(plan).flatMap(({ channel, heartbeat: { secret } }) => {
    if (secret === undefined) return [];
    const name = shellWord(secret);
    const value = '--secret-string file://FILE, with nothing but the https:// address in FILE';
    return [
      {
        what: `secret ${secret} of heartbeat ${channel}`,
        fix: `aws secretsmanager create-secret --region ${region} --name ${name} ${value}`,
        look: async () => {
          const { DeletedDate } = await client.send(new DescribeSecretCommand({ SecretId: secret }));
          if (DeletedDate !== undefined) {
            const restore = `aws secretsmanager restore-secret --region ${region} --secret-id ${name}`;
            throw new Fault('is scheduled for deletion', restore);
          }
          const { SecretString = '' } = await client.send(new GetSecretValueCommand({ SecretId: secret }));
          if (/^https:\/\/\S+$/.test(SecretString.trim())) return 'holds an address';
          const put = `aws secretsmanager put-secret-value --region ${region} --secret-id ${name} ${value}`;
          throw new Fault('holds no address that begins with https://', put);
        },
      },
    ];
  });
}
