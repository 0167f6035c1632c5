import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { BatchWriteCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import fs from 'node:fs';
import path from 'node:path';
import pLimit from 'p-limit';
import { ulid } from 'ulid';
import { recoveryPointItem } from '../../core/catalog/catalog-items.ts';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import { examplePoint } from '../../core/catalog/recovery-point.conformance.ts';
import { createCatalogTable } from '../../core/catalog/testing.dynamodb.ts';
import { deploymentNames, lambdaNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { deploySandbox } from '../../sandbox/deploy/deploy.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');
const planFile = path.join(projectRoot, 'examples/drill.yaml');
const points = 100_000;
const pageSize = 50;

export interface FunctionResult {
  readonly name: string;
  readonly bundleBytes: number;
  /** The call that starts it, and the one after, as their caller sees them. */
  readonly coldMs: number;
  readonly warmMs: number;
}

export interface ControlPlaneResult {
  readonly functions: readonly FunctionResult[];
  /** First page of the newest points of one source out of 100,000 points; median. */
  readonly firstPageMs: number;
}

/** The deployed functions and catalogue of the sandbox. */
export async function controlPlaneJob(rounds: number): Promise<ControlPlaneResult> {
  const sandbox = await startSandbox();
  try {
    const plan = await deploySandbox(sandbox, { planFile });
    const names = deploymentNames(plan);
    const settings = {
      endpoint: sandbox.endpoint,
      region: plan.regions.primary,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    };
    const lambda = new LambdaClient(settings);
    const functions: FunctionResult[] = [];
    for (const name of lambdaNames.filter((one) => one !== 'heartbeat' || hasHeartbeat(plan))) {
      const FunctionName = names.lambda(name);
      // An order that is refused by its schema: everything is loaded and built, nothing is done.
      const call = () => lambda.send(new InvokeCommand({ FunctionName, Payload: Buffer.from('{}') }));
      const [coldMs, warmMs] = [await milliseconds(call), await milliseconds(call)];
      const bundle = path.join(projectRoot, '.cache/functions', plan.name, name, 'index.mjs');
      functions.push({ name, bundleBytes: fs.statSync(bundle).size, coldMs, warmMs });
    }
    return { functions, firstPageMs: await firstPage(new DynamoDBClient(settings), rounds) };
  } finally {
    await sandbox.down();
  }
}

function hasHeartbeat({ notifications }: Plan): boolean {
  return Object.values(notifications).some(({ heartbeat }) => heartbeat !== undefined);
}

async function firstPage(client: DynamoDBClient, rounds: number): Promise<number> {
  const table = 'bench-catalog';
  await createCatalogTable(client, table);
  const documents = DynamoDBDocumentClient.from(client);
  const limit = pLimit(8);
  const batch = 25;
  const writes = Array.from({ length: points / batch }, (_, n) =>
    limit(() => {
      const items = Array.from({ length: batch }, (_unused, k) => {
        const id = ulid(1_700_000_000_000 + n * batch + k);
        return { PutRequest: { Item: recoveryPointItem(examplePoint(`source-${k % 3}`, id), 1) } };
      });
      return documents.send(new BatchWriteCommand({ RequestItems: { [table]: items } }));
    }),
  );
  await Promise.all(writes);
  const store = createDynamoCatalogStore({ client, table });
  const times: number[] = [];
  for (let round = 0; round < Math.max(5, rounds); round += 1)
    times.push(await milliseconds(() => store.listRecoveryPoints({ source: 'source-1', limit: pageSize })));
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}
