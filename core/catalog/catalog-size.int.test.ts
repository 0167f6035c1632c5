import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import pLimit from 'p-limit';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { recoveryPointItem } from './catalog-items.ts';
import { createDynamoCatalogStore } from './catalog-store.dynamodb.ts';
import type { CatalogStore } from './catalog-store.ts';
import { examplePoint } from './recovery-point.conformance.ts';
import { createCatalogTable } from './testing.dynamodb.ts';

const sources = 3;
const few = 300;
const many = 100_000;
let aws: LocalAws;
let client: DynamoDBClient;

/** Ids oldest first; the source of the n-th is `source-<n % 3>`. */
const idsOf = (count: number) => Array.from({ length: count }, (_, n) => ulid(1_700_000_000_000 + n));

/** Writes points past the store, 25 in a request: what is looked at here is reading. */
async function fill(table: string, ids: readonly string[]): Promise<void> {
  await createCatalogTable(client, table);
  const documents = DynamoDBDocumentClient.from(client);
  const limit = pLimit(8);
  const batches = Array.from({ length: Math.ceil(ids.length / 25) }, (_, n) => n * 25);
  const puts = (from: number) =>
    ids.slice(from, from + 25).map((id, n) => ({
      PutRequest: { Item: recoveryPointItem(examplePoint(`source-${(from + n) % sources}`, id), 1) },
    }));
  await Promise.all(
    batches.map((from) =>
      limit(async () => {
        const { UnprocessedItems } = await documents.send(
          new BatchWriteCommand({ RequestItems: { [table]: puts(from) } }),
        );
        expect(UnprocessedItems).toEqual({});
      }),
    ),
  );
}

interface Request {
  readonly command: string;
  readonly returned: number | undefined;
  /** Items that DynamoDB read, and bills, for it. */
  readonly read: number | undefined;
}

/** The requests behind some work on a table. */
async function requestsOf(table: string, work: (store: CatalogStore) => Promise<void>): Promise<Request[]> {
  const requests: Request[] = [];
  const counting = makeClient();
  counting.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      const { Count, ScannedCount } = answer.output as { Count?: number; ScannedCount?: number };
      requests.push({ command: String(context.commandName), returned: Count, read: ScannedCount });
      return answer;
    },
    { step: 'initialize' },
  );
  await work(createDynamoCatalogStore({ client: counting, table }));
  counting.destroy();
  return requests;
}

function makeClient(): DynamoDBClient {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return new DynamoDBClient({ endpoint: aws.endpoint, region: 'us-east-1', credentials });
}

beforeAll(async () => {
  aws = await startAws();
  client = makeClient();
});
afterAll(async () => {
  client?.destroy();
  await aws?.stop();
});

describe('the catalogue of many recovery points', () => {
  it(`reads as much for a page of ${many} as for one of ${few}`, { timeout: 240_000 }, async () => {
    const tables = { 'catalog-few': idsOf(few), 'catalog-many': idsOf(many) };
    const seen: Request[][] = [];
    for (const [table, ids] of Object.entries(tables)) {
      await fill(table, ids);
      const newest = ids.toReversed();
      const ofOne = newest.filter((_, n) => (ids.length - 1 - n) % sources === 1);
      const idsIn = async (store: CatalogStore, query: object) =>
        (await store.listRecoveryPoints(query)).map(({ id }) => id);
      seen.push(
        await requestsOf(table, async (store) => {
          expect(await idsIn(store, { limit: 50 })).toEqual(newest.slice(0, 50));
          expect(await idsIn(store, { limit: 50, before: newest[49] })).toEqual(newest.slice(50, 100));
          expect(await idsIn(store, { source: 'source-1', limit: 50 })).toEqual(ofOne.slice(0, 50));
        }),
      );
    }
    const page = { command: 'QueryCommand', returned: 50, read: 50 };
    expect(seen).toEqual([
      [page, page, page],
      [page, page, page],
    ]);
  });
});
