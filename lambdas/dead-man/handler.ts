import * as z from 'zod';
import { measureAges } from '../../core/jobs/dead-man.ts';
import { openOwnVault } from '../../core/jobs/deployment-vault.ts';
import { deadManReplySchema } from '../../core/jobs/messages.ts';
import { readPlanFile } from '../../core/jobs/plan-file.ts';
import { deadManSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(deadManSettingsSchema, process.env);
const plan = readPlanFile(new URL('./plan.json', import.meta.url));
// Shorter than the function's time; the next measurement is five minutes away.
const vault = await openOwnVault(settings, { retrySeconds: 20 });

/** Reports the age of every source's newest recovery point that is whole in this Region's vault. */
export const handler = defineHandler({
  name: 'dead-man',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: z.unknown(),
  reply: deadManReplySchema,
  run: () => measureAges({ vault, plan, now: () => new Date() }),
});
