import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { describeCatalogStore } from './catalog-store.conformance.ts';
import { createDynamoCatalogStore } from './catalog-store.dynamodb.ts';
import { examplePoint } from './recovery-point.conformance.ts';
import { createCatalogTable } from './testing.dynamodb.ts';

let aws: LocalAws;
let client: DynamoDBClient;
let tables = 0;

beforeAll(async () => {
  aws = await startAws();
  client = clientFor(aws.endpoint);
});

afterAll(async () => {
  client?.destroy();
  await aws?.stop();
});

function clientFor(endpoint: string): DynamoDBClient {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return new DynamoDBClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 2 });
}

async function newTable(): Promise<string> {
  tables += 1;
  await createCatalogTable(client, `catalog-${tables}`);
  return `catalog-${tables}`;
}

describeCatalogStore('DynamoDB', async () => createDynamoCatalogStore({ client, table: await newTable() }));

describe('the DynamoDB catalogue', () => {
  it('reads the first page of many points with one keyed query of that size', async () => {
    const table = await newTable();
    const filler = createDynamoCatalogStore({ client, table });
    const ids = Array.from({ length: 120 }, (_, n) => ulid(1_700_000_000_000 + n));
    await Promise.all(ids.map((id, n) => filler.putRecoveryPoint(examplePoint(`source-${n % 3}`, id))));
    const calls: { command: string; limit: unknown; index: unknown }[] = [];
    const counting = clientFor(aws.endpoint);
    counting.middlewareStack.add(
      (next, context) => async (args) => {
        const input = args.input as { Limit?: number; IndexName?: string };
        calls.push({ command: String(context.commandName), limit: input.Limit, index: input.IndexName });
        return next(args);
      },
      { step: 'initialize' },
    );
    const store = createDynamoCatalogStore({ client: counting, table });

    const all = await store.listRecoveryPoints({ limit: 20 });
    const one = await store.listRecoveryPoints({ source: 'source-1', limit: 10 });

    expect(all.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 20));
    expect(one.map(({ id }) => id)).toEqual(
      ids
        .filter((_, n) => n % 3 === 1)
        .toReversed()
        .slice(0, 10),
    );
    expect(calls).toEqual([
      { command: 'QueryCommand', limit: 20, index: 'byKind' },
      { command: 'QueryCommand', limit: 10, index: 'bySource' },
    ]);
    counting.destroy();
  });

  it('names a table that is not there', async () => {
    const store = createDynamoCatalogStore({ client, table: 'nowhere' });
    await expect(store.control()).rejects.toMatchObject({ code: 'DEPLOYMENT_NOT_FOUND' });
    await expect(store.listJobs()).rejects.toMatchObject({ code: 'DEPLOYMENT_NOT_FOUND' });
  });

  it('says when the catalogue does not answer, as an error worth trying again', async () => {
    const other = await startAws();
    const lost = clientFor(other.endpoint);
    await other.stop();
    const store = createDynamoCatalogStore({ client: lost, table: 'catalog' });
    await expect(store.getJob('job-1')).rejects.toMatchObject({
      code: 'CATALOG_UNAVAILABLE',
      retryable: true,
    });
    lost.destroy();
  });
});
