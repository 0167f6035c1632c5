import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { checkCopy } from '../../core/jobs/check-copy.ts';
import { openOwnVault, openPeerStore } from '../../core/jobs/deployment-vault.ts';
import { checkCopyReplySchema, checkCopyRequestSchema } from '../../core/jobs/messages.ts';
import { checkCopySettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { defineHandler } from '../shared/define-handler.ts';

const settings = readSettings(checkCopySettingsSchema, process.env);
const catalog = createDynamoCatalogStore({ client: new DynamoDBClient({}), table: settings.HOLDFAST_TABLE });
// The state machine asks again every 20 s, so a silent Region is told soon instead of being waited for.
const retrySeconds = 10;
const [vault, peer] = await Promise.all([
  openOwnVault(settings, { retrySeconds }),
  openPeerStore(settings, { retrySeconds }),
]);

/** Looks whether the other Region holds a complete, locked copy. */
export const handler = defineHandler({
  name: 'check-copy',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: checkCopyRequestSchema,
  reply: checkCopyReplySchema,
  run: ({ source, jobId }) =>
    checkCopy(
      {
        catalog,
        vault,
        peer,
        region: settings.HOLDFAST_REGION,
        allowanceSeconds: settings.HOLDFAST_COPY_ALLOWANCE_SECONDS,
        now: () => new Date(),
        random: Math.random,
      },
      { source, id: jobId },
    ),
});
