import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { failJob } from '../../core/jobs/fail-job.ts';
import { failReplySchema, failRequestSchema } from '../../core/jobs/messages.ts';
import { failJobSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(failJobSettingsSchema, process.env);
const catalog = createDynamoCatalogStore({ client: new DynamoDBClient({}), table: settings.HOLDFAST_TABLE });

/** Records why an execution failed and gives back the error's name and words. */
export const handler = defineHandler({
  name: 'fail-job',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: failRequestSchema,
  reply: failReplySchema,
  run: (request) => failJob({ catalog, region: settings.HOLDFAST_REGION, now: () => new Date() }, request),
});
