import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { measureAges } from '../../core/jobs/dead-man.ts';
import { deadManReplySchema } from '../../core/jobs/messages.ts';
import { readPlanFile } from '../../core/jobs/plan-file.ts';
import { deadManSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(deadManSettingsSchema, process.env);
const plan = readPlanFile(new URL('./plan.json', import.meta.url));
const catalog = createDynamoCatalogStore({ client: new DynamoDBClient({}), table: settings.HOLDFAST_TABLE });

/** Reports the age of every source's newest protected point from this Region's replica of the catalogue. */
export const handler = defineHandler({
  name: 'dead-man',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: z.unknown(),
  reply: deadManReplySchema,
  run: () => measureAges({ catalog, plan, now: () => new Date() }),
});
