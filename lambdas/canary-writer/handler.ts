import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import type { CanaryKey } from '../../core/canary/canary.ts';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { openCanaryWriter } from '../../core/engines/postgres/canary-table.ts';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../core/errors.ts';
import { readCanaryKey } from '../../core/jobs/canary-key.aws.ts';
import { canaryReplySchema } from '../../core/jobs/messages.ts';
import { readPlanFile } from '../../core/jobs/plan-file.ts';
import { readPostgresSecret } from '../../core/jobs/secrets.aws.ts';
import { canaryWriterSettingsSchema, readSettings } from '../../core/jobs/settings.ts';
import { writeCanaries } from '../../core/jobs/write-canaries.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import { defineHandler } from '../shared/define-handler.ts';

/** Each read is billed, and a run comes every minute. */
const rememberMs = 5 * 60_000;

const settings = readSettings(canaryWriterSettingsSchema, process.env);
const plan = readPlanFile(new URL('./plan.json', import.meta.url));
const catalog = createDynamoCatalogStore({ client: new DynamoDBClient({}), table: settings.HOLDFAST_TABLE });
const secrets = new SecretsManagerClient({
  requestHandler: { connectionTimeout: 3000, requestTimeout: 10_000 },
});
const { HOLDFAST_SOURCE: source, HOLDFAST_REGION: region } = settings;

interface Means {
  readonly connection: PostgresConnection;
  readonly key: CanaryKey;
  readonly readAt: number;
}
let means: Means | undefined;

async function readMeans(): Promise<Means> {
  const names = deploymentNames(plan);
  const own = plan.sources.find(({ id }) => id === source);
  if (own === undefined) throw new HoldfastError('SOURCE_NOT_FOUND', `the plan has no source ${source}`);
  const { tls, iam } = own.connection;
  const [connection, key] = await Promise.all([
    readPostgresSecret(secrets, {
      secret: names.canaryWriterSecret(source),
      tls,
      ...(iam && { iam: { username: names.canaryUser(source), region } }),
    }),
    readCanaryKey(secrets, names.canaryKeySecret(source)),
  ]);
  return { connection, key, readAt: Date.now() };
}

async function open() {
  if (means === undefined || Date.now() - means.readAt > rememberMs) means = await readMeans();
  const { connection, key } = means;
  try {
    return await openCanaryWriter({ connection, signal: new AbortController().signal }, key);
  } catch (error) {
    // It may have been a password that was changed.
    means = undefined;
    throw error;
  }
}

/** Writes signed rows into one source, once a minute or more often, where its Region is the active one. */
export const handler = defineHandler({
  name: 'canary-writer',
  plan: settings.HOLDFAST_PLAN_NAME,
  request: z.unknown(),
  reply: canaryReplySchema,
  run: () => writeCanaries({ catalog, plan, region, source, open, now: () => new Date() }),
});
