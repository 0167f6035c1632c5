import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SFNClient } from '@aws-sdk/client-sfn';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { claimJob } from '../../core/jobs/claim-job.ts';
import { openOwnVault } from '../../core/jobs/deployment-vault.ts';
import { isExecutionRunning } from '../../core/jobs/executions.aws.ts';
import { claimReplySchema, claimRequestSchema } from '../../core/jobs/messages.ts';
import { readPlanFile } from '../../core/jobs/plan-file.ts';
import { claimJobSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(claimJobSettingsSchema, process.env);
const region = settings.HOLDFAST_REGION;
const plan = readPlanFile(new URL('./plan.json', import.meta.url));
const catalog = createDynamoCatalogStore({ client: new DynamoDBClient({}), table: settings.HOLDFAST_TABLE });
const executions = new SFNClient({});
// Shorter than the function's time; the state machine tries again.
const vault = await openOwnVault(settings, { retrySeconds: 20 });

async function resolvePoint(source: string, id: string) {
  const { manifest, passedOver } = await vault.open(source, id);
  return { id: manifest.id, engineVersion: manifest.engine.version, passedOver };
}

/** Decides whether an execution may run, and with what. */
export const handler = defineHandler({
  name: 'claim-job',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: claimRequestSchema,
  reply: claimReplySchema,
  run: async (request) => ({
    reply: await claimJob(
      {
        catalog,
        plan,
        region,
        taskDefinitions: settings.HOLDFAST_TASK_DEFINITIONS,
        resolvePoint,
        isRunning: (owner) => isExecutionRunning(executions, region, owner),
        now: () => new Date(),
      },
      request,
    ),
  }),
});
