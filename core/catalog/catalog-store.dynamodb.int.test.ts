import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { claimJob } from '../jobs/claim-job.ts';
import { exampleDefinitions, examplePlan } from '../jobs/testing.ts';
import { controlKey, type ItemKey, jobKey, readableItemVersions, recoveryPointKey } from './catalog-items.ts';
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
      { command: 'QueryCommand', limit: 10, index: undefined },
    ]);
    counting.destroy();
  });

  describe('read by a deployment that is one behind', () => {
    /** What a newer version would have stored. */
    async function rewrite(table: string, key: ItemKey, change: (item: Record<string, any>) => void) {
      const documents = DynamoDBDocumentClient.from(client);
      const { Item = {} } = await documents.send(new GetCommand({ TableName: table, Key: { ...key } }));
      change(Item);
      await documents.send(new PutCommand({ TableName: table, Item }));
    }
    const noon = new Date('2026-11-02T12:00:00.000Z');
    const claim = {
      jobId: 'job-1',
      kind: 'backup',
      source: 'shop-db',
      region: 'us-east-1',
      owner: 'execution-1',
      epoch: 1,
      scheduledFor: noon,
      now: noon,
      leaseUntil: noon,
    } as const;
    const job = { source: 'shop-db', id: 'job-1' };

    it('takes no fault at fields that it does not know, and keeps them when it writes the record back', async () => {
      const table = await newTable();
      const store = createDynamoCatalogStore({ client, table });
      await store.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
      await store.claim(claim);
      await rewrite(table, controlKey, (item) => (item['record'].group = 'shop'));
      await rewrite(table, jobKey(job), (item) => {
        item['record'].priority = 'high';
        item['shard'] = 7;
      });
      const point = examplePoint('shop-db', ulid());
      await store.putRecoveryPoint(point);
      await rewrite(table, recoveryPointKey('shop-db', point.id), (item) => {
        item['record'].engine.edition = 'community';
      });
      expect(await store.control()).toMatchObject({ epoch: 1 });
      expect(await store.listRecoveryPoints({ source: 'shop-db' })).toMatchObject([{ id: point.id }]);
      const restore = { ...claim, jobId: 'job-2', kind: 'restore', target: 'beside' } as const;
      expect(await store.claim(restore)).toMatchObject({ id: 'job-2' });
      await store.complete(job, { items: 1, rows: 1, seconds: 1 }, noon);
      expect(await store.getJob(job)).toMatchObject({ state: 'completed', priority: 'high' });
    });

    it('refuses a known field that does not fit, beside an unknown one too', async () => {
      const table = await newTable();
      const store = createDynamoCatalogStore({ client, table });
      await store.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
      await store.claim(claim);
      await rewrite(table, jobKey(job), (item) => {
        item['record'].priority = 'high';
        item['record'].epoch = 'one';
      });
      await expect(store.getJob(job)).rejects.toMatchObject({
        code: 'NOT_SUPPORTED_YET',
        message: expect.stringMatching(/^job job-1 of shop-db .*epoch/),
      });
    });

    it.each<[string, (record: any) => unknown]>([
      ['kind', (record) => (record.kind = 'rehearsal')],
      ['progress.step', (record) => (record.progress.step = 'warm up')],
      ['state', (record) => (record.state = 'paused')],
    ])(
      'passes over a job whose %s it does not know, and lets nothing take its place',
      async (_field, change) => {
        const table = await newTable();
        const store = createDynamoCatalogStore({ client, table });
        await store.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
        await store.claim(claim);
        const progress = {
          itemsDone: 0,
          itemsTotal: 1,
          rows: 0,
          bytes: 0,
          storedBytes: 0,
          bytesPerSecond: 0,
        };
        await store.renew(job, noon, { ...progress, fraction: 0, current: [], at: noon.toISOString() });
        await rewrite(table, jobKey(job), (item) => change(item['record']));
        const test = { ...claim, jobId: 'job-2', kind: 'restore-test' } as const;
        await store.claim(test);
        expect(await store.runningJobs('shop-db')).toMatchObject([{ id: 'job-2' }]);
        expect(await store.listJobs()).toMatchObject([{ id: 'job-2' }]);
        // A page is as long as was asked for, whatever was passed over.
        expect(await store.listJobs({ source: 'shop-db', limit: 1 })).toMatchObject([{ id: 'job-2' }]);
        for (const owner of ['execution-1', 'execution-2']) {
          await expect(store.claim({ ...claim, owner })).rejects.toMatchObject({
            code: 'JOB_ALREADY_RUNNING',
            detail: { by: 'claim', jobId: 'job-1' },
          });
        }
        const next = new Date(noon.getTime() + 1000);
        const request = {
          kind: 'backup',
          source: 'shop-db',
          executionArn: 'execution-2',
          executionStartedAt: next.toISOString(),
        } as const;
        const deps = {
          catalog: store,
          plan: examplePlan,
          region: 'us-east-1',
          taskDefinitions: exampleDefinitions,
          resolvePoint: async () => ({ id: ulid() }),
          isRunning: async () => false,
          now: () => noon,
        };
        expect(await claimJob(deps, request)).toMatchObject({ outcome: 'skipped', runningJobId: 'job-1' });
        expect(
          await claimJob({ ...deps, now: () => next }, { ...request, executionArn: 'execution-3' }),
        ).toMatchObject({ outcome: 'claimed' });
      },
    );

    it('passes over a recovery point whose state it does not know, and does not write over it', async () => {
      const table = await newTable();
      const store = createDynamoCatalogStore({ client, table });
      const [older, newer] = [examplePoint('shop-db', ulid(1)), examplePoint('shop-db', ulid(2))];
      await store.putRecoveryPoint(older);
      await store.putRecoveryPoint(newer);
      await rewrite(table, recoveryPointKey('shop-db', newer.id), (item) => {
        item['record'].state = 'archived';
      });
      expect(await store.listRecoveryPoints({ limit: 1 })).toMatchObject([{ id: older.id }]);
      const known = { code: 'NOT_SUPPORTED_YET' };
      await expect(store.getRecoveryPoint('shop-db', newer.id)).rejects.toMatchObject(known);
      await expect(store.putRecoveryPoint(newer)).rejects.toMatchObject(known);
    });

    it('reads versions of items within a range, and refuses others', async () => {
      const table = await newTable();
      const store = createDynamoCatalogStore({ client, table });
      await store.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
      await store.claim(claim);
      const { oldest, newest } = readableItemVersions;
      for (const version of [oldest, newest]) {
        await rewrite(table, jobKey(job), (item) => (item['schemaVersion'] = version));
        expect(await store.getJob(job)).toMatchObject({ id: 'job-1' });
      }
      for (const version of [oldest - 1, newest + 1]) {
        await rewrite(table, jobKey(job), (item) => (item['schemaVersion'] = version));
        await expect(store.getJob(job)).rejects.toMatchObject({ code: 'NOT_SUPPORTED_YET' });
        expect(await store.listJobs()).toEqual([]);
      }
    });
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
    await expect(store.getJob({ source: 'shop-db', id: 'job-1' })).rejects.toMatchObject({
      code: 'CATALOG_UNAVAILABLE',
      retryable: true,
    });
    lost.destroy();
  });
});
