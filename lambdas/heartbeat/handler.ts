import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SNSClient } from '@aws-sdk/client-sns';
import { callAddress, watchOf } from '../../core/jobs/heartbeat.aws.ts';
import { sendHeartbeat } from '../../core/jobs/heartbeat.ts';
import { heartbeatReplySchema, heartbeatRequestSchema } from '../../core/jobs/messages.ts';
import { readPlanFile } from '../../core/jobs/plan-file.ts';
import { heartbeatSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(heartbeatSettingsSchema, process.env);
const plan = readPlanFile(new URL('./plan.json', import.meta.url));
const secrets = new SecretsManagerClient({});
const watch = watchOf({
  cloudWatch: new CloudWatchClient({}),
  eventBridge: new EventBridgeClient({}),
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
        plan,
        region: settings.HOLDFAST_REGION,
        watch,
        secret: async (SecretId) =>
          (await secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString ?? '',
        call: callAddress,
      },
      channel,
    ),
});
