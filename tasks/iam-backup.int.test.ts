import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import type { CatalogStore } from '../core/catalog/catalog-store.ts';
import { createCatalogTable } from '../core/catalog/testing.dynamodb.ts';
import { claimJob } from '../core/jobs/claim-job.ts';
import { exampleDefinitions, examplePlan, runSql as sql } from '../core/jobs/testing.ts';
import type { Plan } from '../core/plan/plan.ts';
import { manifestKey } from '../core/vault/layout.ts';
import { makeBucket } from '../core/vault/testing/local-bucket.s3.ts';
import { openVault } from '../core/vault/open-vault.ts';
import type { Vault } from '../core/vault/vault.ts';
import { type LocalAws, startAws } from '../sandbox/aws/local-aws.ts';
import {
  postgresBinDirectory,
  type PostgresServer,
  startPostgres,
} from '../sandbox/postgres/postgres-server.ts';
import { startTokenFront, type TokenFront } from './testing/token-front.ts';

const region = 'us-east-1';
const bucket = 'holdfast-acme';
const [source] = examplePlan.sources;
const [target] = examplePlan.targets;
const iam = { secret: 'shop-db/place', iam: true } as const;
const plan: Plan = {
  ...examplePlan,
  vault: { ...examplePlan.vault, lock: 'governance', retentionDays: 1 },
  sources: [{ ...source!, connection: { ...iam, tls: 'verify-full', username: 'holdfast_backup' } }],
  targets: [
    {
      ...target!,
      region,
      connection: { ...iam, secret: 'restored/place', tls: 'require', username: 'holdfast_restore' },
    },
  ],
};
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-iam-'));

let aws: LocalAws;
let server: PostgresServer;
let front: TokenFront;
let s3: S3Client;
let catalog: CatalogStore;
let vault: Vault;
let keys: { readonly keyArn: string; readonly signingKeyArn: string };
let isIn = true;
const before = { ...process.env };

/** A token is a signed URL without its scheme. */
const parsed = (token: string) => new URL(`https://${token}`);

beforeAll(async () => {
  [aws, server] = await Promise.all([startAws(), startPostgres({ trust: true })]);
  Object.assign(process.env, aws.environment);
  front = await startTokenFront({ serverPort: server.port, accepts: () => isIn, directory });
  await sql(
    server.connection,
    `create role holdfast_backup login superuser; create role holdfast_restore login superuser;
     create table orders as select n as id from generate_series(1, 1000) n`,
  );
  await sql(server.connection, 'create database restored template template0');
  const secrets = new SecretsManagerClient({ region });
  const place = { host: 'localhost', port: front.port };
  for (const [Name, dbname] of [
    ['shop-db/place', 'postgres'],
    ['restored/place', 'restored'],
  ] as const) {
    const SecretString = JSON.stringify({ ...place, dbname });
    await secrets.send(new CreateSecretCommand({ Name, SecretString }));
  }
  const kms = new KMSClient({ region });
  const makeKey = async (more: object) =>
    (await kms.send(new CreateKeyCommand({ MultiRegion: true, ...more }))).KeyMetadata?.Arn ?? '';
  keys = {
    keyArn: await makeKey({}),
    signingKeyArn: await makeKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
  };
  s3 = new S3Client({ region, forcePathStyle: true });
  await makeBucket(s3, bucket);
  const client = new DynamoDBClient({ region });
  await createCatalogTable(client, 'catalog');
  catalog = createDynamoCatalogStore({ client, table: 'catalog' });
  vault = await openVault({ url: `s3://${bucket}`, region, keys: { kind: 'kms', ...keys } });
});

afterAll(async () => {
  await front?.stop();
  await Promise.all([aws?.stop(), server?.destroy()]);
  process.env = before;
  fs.rmSync(directory, { recursive: true, force: true });
});

/** Claims a job of the plan and runs its task, as the state machine would. */
async function run(order: { readonly kind: 'backup' | 'restore'; readonly name: string }) {
  const claimed = await claimJob(
    {
      catalog,
      plan,
      region,
      taskDefinitions: exampleDefinitions,
      resolvePoint: async (from, id) => {
        const { manifest } = await vault.open(from, id);
        return { id: manifest.id, engineVersion: manifest.engine.version };
      },
      isRunning: async () => false,
      now: () => new Date(),
    },
    {
      kind: order.kind,
      source: 'shop-db',
      executionArn: `arn:aws:states:${region}:${plan.account}:execution:x:${order.name}`,
      executionStartedAt: new Date().toISOString(),
      ...(order.kind === 'restore' && { recoveryPoint: 'latest', target: target!.id }),
    },
  );
  if (claimed.outcome !== 'claimed') throw new Error(claimed.reason);
  const child = spawn(process.execPath, [path.join(import.meta.dirname, `postgres-${order.kind}/main.ts`)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      ...aws.environment,
      HOLDFAST_PLAN_NAME: 'acme',
      HOLDFAST_REGION: region,
      HOLDFAST_PEER_REGION: 'us-west-2',
      HOLDFAST_TABLE: 'catalog',
      HOLDFAST_VAULT_URL: `s3://${bucket}`,
      HOLDFAST_PEER_VAULT_URL: 's3://holdfast-acme-peer',
      HOLDFAST_VAULT_KEY_ARN: keys.keyArn,
      HOLDFAST_SIGNING_KEY_ARN: keys.signingKeyArn,
      HOLDFAST_POSTGRES_BIN: postgresBinDirectory(18),
      HOLDFAST_CA_FILE: path.join(directory, 'front.pem'),
      ...Object.fromEntries(claimed.environment.map(({ Name, Value }) => [Name, Value])),
    },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, output: Buffer.concat(chunks).toString(), claimed };
}

/** For whom and where the tokens since then were signed. */
function usersSince(count: number): Set<string> {
  const tokens = front.passwords.slice(count).map(parsed);
  for (const { searchParams } of tokens) {
    expect(searchParams.get('Action')).toBe('connect');
    expect(searchParams.get('X-Amz-Expires')).toBe('900');
    expect(searchParams.get('X-Amz-Credential')).toContain(`/${region}/rds-db/aws4_request`);
  }
  return new Set(tokens.map(({ host, searchParams }) => `${searchParams.get('DBUser')} at ${host}`));
}

describe('a source without a password, in a vault with governance locks', () => {
  it('is backed up by tokens alone, locked as the plan says', async () => {
    const { code, output, claimed } = await run({ kind: 'backup', name: 'first' });
    expect([code, output.includes('"done"')]).toEqual([0, true]);
    // Leader, watcher, counter, pg_dump and a copy at least.
    expect(front.passwords.length).toBeGreaterThanOrEqual(5);
    expect(usersSince(0)).toEqual(new Set([`holdfast_backup at localhost:${front.port}`]));
    expect(front.plain()).toBe(0);
    for (const password of front.passwords) {
      expect(output).not.toContain(parsed(password).searchParams.get('X-Amz-Signature'));
    }
    const { manifest } = await vault.open('shop-db', claimed.recoveryPointId);
    expect(manifest.lockMode).toBe('governance');
    for (const Key of [manifestKey('shop-db', manifest.id), ...manifest.items.map(({ key }) => key)]) {
      const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }));
      expect([Key, head.ObjectLockMode]).toEqual([Key, 'GOVERNANCE']);
      expect(head.ObjectLockRetainUntilDate?.toISOString()).toBe(manifest.lockedUntil);
    }
    expect(await vault.verify('shop-db', manifest.id)).toMatchObject({ ok: true, problems: [] });
  });

  it('is restored into a target by tokens of another user', async () => {
    const count = front.passwords.length;
    const { code, output } = await run({ kind: 'restore', name: 'second' });
    expect([code, output.includes('"done"')]).toEqual([0, true]);
    expect(usersSince(count)).toEqual(new Set([`holdfast_restore at localhost:${front.port}`]));
    const restored = server.connectionTo('restored');
    expect(await sql(restored, 'select sum(id)::int as sum from orders')).toEqual([{ sum: 500_500 }]);
  });

  it('fails with a code and a hint when it refuses a token', async () => {
    isIn = false;
    const { code, claimed } = await run({ kind: 'backup', name: 'third' });
    isIn = true;
    expect(code).toBe(1);
    expect(await catalog.getJob({ source: 'shop-db', id: claimed.jobId })).toMatchObject({
      state: 'failed',
      error: { code: 'SOURCE_CREDENTIALS', hint: expect.stringContaining('rds_iam') },
    });
  });
});
