import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand, KMSClient, ReplicateKeyCommand } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCatalogTable } from '../core/catalog/testing.dynamodb.ts';
import { exampleDefinitions, examplePlan, runSql } from '../core/jobs/testing.ts';
import { DigestMeter } from '../core/vault/digest.ts';
import { buildLambdas } from '../infra/build-lambdas.ts';
import { type LocalAws, startAws } from '../sandbox/aws/local-aws.ts';
import {
  postgresBinDirectory,
  type PostgresServer,
  startPostgres,
} from '../sandbox/postgres/postgres-server.ts';

const regions = ['us-east-1', 'us-west-2'] as const;
const [primary, standby] = regions;
const bucket = (region: string) => `holdfast-acme-111122223333-${region}`;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-handlers-'));
const plan = {
  ...examplePlan,
  vault: { ...examplePlan.vault, lock: 'none' as const },
  sources: examplePlan.sources.map((source) => ({
    ...source,
    connection: { ...source.connection, tls: 'disable' as const },
  })),
};

let aws: LocalAws;
let server: PostgresServer;
let functions: string;
let keys: { readonly vault: string; readonly signing: string };

beforeAll(async () => {
  [aws, server] = await Promise.all([startAws(), startPostgres()]);
  functions = await buildLambdas(plan, path.join(directory, 'functions'));
  const client = { endpoint: aws.endpoint, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  const kms = new KMSClient({ ...client, region: primary });
  const make = async (input: object) =>
    (await kms.send(new CreateKeyCommand({ MultiRegion: true, ...input }))).KeyMetadata?.Arn ?? '';
  keys = {
    vault: await make({}),
    signing: await make({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
  };
  for (const arn of Object.values(keys))
    await kms.send(new ReplicateKeyCommand({ KeyId: arn, ReplicaRegion: standby }));
  for (const region of regions) {
    const s3 = new S3Client({ ...client, region, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: bucket(region) }));
    await s3.send(
      new PutBucketVersioningCommand({
        Bucket: bucket(region),
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    );
    await createCatalogTable(new DynamoDBClient({ ...client, region }), 'holdfast-acme');
  }
  const { host, port, username, password } = server.connection;
  const SecretString = JSON.stringify({ host, port, dbname: 'postgres', username, password });
  await new SecretsManagerClient({ ...client, region: primary }).send(
    new CreateSecretCommand({ Name: 'shop-db/backup', SecretString }),
  );
  await runSql(server.connection, 'create table orders as select n as id from generate_series(1, 1000) n');
});

afterAll(async () => {
  await Promise.all([aws?.stop(), server?.destroy()]);
  fs.rmSync(directory, { recursive: true, force: true });
});

function environment(region: string): Record<string, string> {
  const peer = region === primary ? standby : primary;
  return {
    PATH: process.env['PATH'] ?? '',
    ...aws.environment,
    AWS_REGION: region,
    HOLDFAST_PLAN_NAME: 'acme',
    HOLDFAST_REGION: region,
    HOLDFAST_PEER_REGION: peer,
    HOLDFAST_TABLE: 'holdfast-acme',
    HOLDFAST_VAULT_URL: `s3://${bucket(region)}`,
    HOLDFAST_PEER_VAULT_URL: `s3://${bucket(peer)}`,
    HOLDFAST_VAULT_KEY_ARN: keys.vault.replace(primary, region),
    HOLDFAST_SIGNING_KEY_ARN: keys.signing.replace(primary, region),
    HOLDFAST_TASK_DEFINITIONS: JSON.stringify(exampleDefinitions),
    HOLDFAST_POSTGRES_BIN: postgresBinDirectory(18),
    HOLDFAST_PROGRESS_SECONDS: '0.2',
  };
}

async function run(
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output: Buffer.concat(chunks).toString() };
}

/** Calls the bundle as Lambda does: a process of its own, the environment of the deployment, an event. */
async function call(name: string, event: unknown, region: string = primary) {
  const file = pathToFileURL(path.join(functions, name, 'index.mjs')).href;
  const script = `const { handler } = await import(${JSON.stringify(file)});
    const answer = await handler(${JSON.stringify(event)}, { awsRequestId: 'r-1' }).then((reply) => ({ reply }), (error) => ({ error: { name: error.name, message: error.message } }));
    console.log('ANSWER ' + JSON.stringify(answer)); process.exit(0);`;
  const { output } = await run(['--input-type=module', '-e', script], environment(region));
  const line = output.split('\n').find((text) => text.startsWith('ANSWER ')) ?? '';
  if (line === '') throw new Error(output);
  return {
    ...(JSON.parse(line.slice(7)) as {
      reply?: Record<string, any>;
      error?: { name: string; message: string };
    }),
    output,
  };
}

const execution = (name: string) => ({
  executionArn: `arn:aws:states:us-east-1:111122223333:execution:holdfast-acme-backup:${name}`,
  executionStartedAt: new Date().toISOString(),
});

/** What S3 replication would do. */
async function replicate(): Promise<void> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const [from, to] = regions.map(
    (region) => new S3Client({ endpoint: aws.endpoint, credentials, region, forcePathStyle: true }),
  ) as [S3Client, S3Client];
  const { Contents = [] } = await from.send(new ListObjectsV2Command({ Bucket: bucket(primary) }));
  for (const { Key = '' } of Contents) {
    const { Body } = await from.send(new GetObjectCommand({ Bucket: bucket(primary), Key }));
    const bytes = await Body!.transformToByteArray();
    const copy = { Bucket: bucket(standby), Key, Body: bytes, ChecksumAlgorithm: 'CRC64NVME' as const };
    await to.send(new PutObjectCommand({ ...copy, ChecksumCRC64NVME: await crc64(bytes) }));
  }
}

async function crc64(bytes: Uint8Array): Promise<string> {
  const meter = await DigestMeter.create();
  meter.update(bytes);
  return meter.digest().crc64nvme;
}

describe('the functions and the backup task, as deployed', () => {
  it('claim, back up, wait for the copy, finish, and report the age', async () => {
    const claimed = await call('claim-job', { kind: 'backup', source: 'shop-db', ...execution('one') });
    expect(claimed.reply).toMatchObject({
      outcome: 'claimed',
      taskDefinition: exampleDefinitions['postgres-backup'],
    });
    const { jobId, environment: variables } = claimed.reply!;
    const own = Object.fromEntries(
      (variables as { Name: string; Value: string }[]).map(({ Name, Value }) => [Name, Value]),
    );
    const task = path.resolve(import.meta.dirname, '../tasks/run.mjs');
    const { code, output } = await run([task, 'postgres-backup'], { ...environment(primary), ...own });
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect((await call('check-copy', { source: 'shop-db', jobId })).reply).toMatchObject({
      state: 'stored',
      late: false,
    });
    await replicate();
    expect((await call('check-copy', { source: 'shop-db', jobId })).reply).toMatchObject({
      state: 'protected',
      missing: 0,
    });
    const finished = await call('finish-job', { source: 'shop-db', jobId });
    expect(finished.reply).toMatchObject({ jobId, rows: 1000, copy: 'protected' });
    expect(finished.output).toContain('"backups_total"');
    const age = await call('dead-man', {});
    expect(age.reply).toMatchObject({ sources: [{ source: 'shop-db', ageHours: expect.any(Number) }] });
    expect(age.output).toContain('"backup_age_hours"');
    expect([output, finished.output, age.output].join('\n')).not.toContain(`"${server.connection.password}"`);
  });

  it('throw errors with the name that the state machine matches, and the hint', async () => {
    const unknown = await call('claim-job', { kind: 'backup', source: 'nobody', ...execution('two') });
    expect(unknown.error?.name).toBe('SourceNotFound');
    expect(unknown.error?.message).toContain('; hint: ');
    const wrong = await call('check-copy', { job: 1 });
    expect(wrong.error).toMatchObject({ name: 'Usage', message: expect.stringContaining('jobId') });
  });

  it('record a failure and give it back with its name', async () => {
    const event = {
      kind: 'backup',
      source: 'shop-db',
      ...execution('three'),
      error: 'States.Timeout',
      cause: '',
    };
    const { reply, output } = await call('fail-job', event);
    expect(reply).toMatchObject({ error: 'TaskKilled', jobId: expect.any(String) });
    expect(output).toContain('"backups_failed_total"');
  });
});
