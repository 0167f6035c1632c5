import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KMSClient } from '@aws-sdk/client-kms';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient } from '@aws-sdk/client-sns';
import { callAddress } from '../../core/jobs/heartbeat.aws.ts';
import { sendHeartbeat } from '../../core/jobs/heartbeat.ts';
import { heartbeatReplySchema, heartbeatRequestSchema } from '../../core/jobs/messages.ts';
import { readPlanFile } from '../../core/jobs/plan-file.ts';
import { heartbeatSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { watchOf } from '../../core/watch/watch.aws.ts';
import { keyOfArn, watched } from '../../core/watch/watched.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(heartbeatSettingsSchema, process.env);
const plan = readPlanFile(new URL('./plan.json', import.meta.url));
const about = watched({
  plan,
  region: settings.HOLDFAST_REGION,
  keys: {
    vault: keyOfArn(settings.HOLDFAST_VAULT_KEY_ARN),
    signing: keyOfArn(settings.HOLDFAST_SIGNING_KEY_ARN),
    alarms: keyOfArn(settings.HOLDFAST_ALARM_KEY_ARN),
  },
  bootstrapQualifier: settings.HOLDFAST_BOOTSTRAP_QUALIFIER,
});
const secrets = new SecretsManagerClient({});
const watch = watchOf({
  cloudWatch: new CloudWatchClient({}),
  eventBridge: new EventBridgeClient({}),
  kms: new KMSClient({}),
  sns: new SNSClient({}),
});

/** Tells an address outside the account that alarms and recovery points of this Region are in order, or says nothing. */
export const handler = defineHandler({
  name: 'heartbeat',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: heartbeatRequestSchema,
  reply: heartbeatReplySchema,
  run: ({ channel }) =>
    sendHeartbeat(
      {
        about,
        watch,
        secret: async (SecretId) =>
          (await secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString ?? '',
        call: callAddress,
      },
      channel,
    ),
});
