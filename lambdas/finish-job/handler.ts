import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { finishJob } from '../../core/jobs/finish-job.ts';
import { finishReplySchema, finishRequestSchema } from '../../core/jobs/messages.ts';
import { finishJobSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(finishJobSettingsSchema, process.env);
const catalog = createDynamoCatalogStore({ client: new DynamoDBClient({}), table: settings.HOLDFAST_TABLE });

/** Completes a backup whose copy is known, or reports a restore that its task completed. */
export const handler = defineHandler({
  name: 'finish-job',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: finishRequestSchema,
  reply: finishReplySchema,
  run: ({ source, jobId }) => finishJob({ catalog, now: () => new Date() }, { source, id: jobId }),
});
