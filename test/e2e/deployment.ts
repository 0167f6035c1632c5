import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { S3Client } from '@aws-sdk/client-s3';
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import { openDeployedVault } from '../../cli/deployed/vault.ts';
import { type CliResult, runCli } from '../../cli/testing/run-cli.ts';
import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import type { CatalogStore } from '../../core/catalog/catalog-store.ts';
import type { Job } from '../../core/catalog/job.ts';
import { deploymentNames, type StateMachineName } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Vault } from '../../core/vault/vault.ts';
import { deploySandbox } from '../../sandbox/deploy/deploy.ts';
import { loadShop, sql } from '../../sandbox/drill/workload/load-shop.ts';
import { type PostgresServer, startPostgres } from '../../sandbox/postgres/postgres-server.ts';
import { listContainers, type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');
const planFile = path.join(projectRoot, '.cache/e2e/holdfast.yaml');

/** How an execution ended, and the job it left in the catalogue of its Region. */
export interface Ended {
  readonly executionArn: string;
  readonly status: string | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
  readonly job: Job | undefined;
}

/** The app, deployed on a sandbox of its own, and a PostgreSQL with one database for each source of the plan. */
export interface Deployment {
  readonly sandbox: Sandbox;
  readonly plan: Plan;
  readonly primary: string;
  readonly standby: string;
  readonly server: PostgresServer;
  readonly names: ReturnType<typeof deploymentNames>;
  settings(region: string): { region: string; endpoint: string; credentials: Credentials };
  s3(region: string): S3Client;
  catalog(region: string): CatalogStore;
  vault(region: string): Promise<Vault>;
  start(machine: StateMachineName, region: string, input: unknown): Promise<string>;
  ended(executionArn: string): Promise<Ended>;
  run(machine: StateMachineName, region: string, input: unknown): Promise<Ended>;
  backUp(source: string): Promise<Ended>;
  /** `holdfast` as a person's shell would run it, with words split at blanks, here or over another network. */
  cli(words: string, endpoint?: string): Promise<CliResult>;
  /** The process that stands for the running task of a source. */
  taskOf(source: string): { readonly pid: number; readonly log: string } | undefined;
  storeSecret(region: string, name: string, secret: object): Promise<void>;
  close(): Promise<void>;
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Killed at moments that nobody chose. */
export const shotSources = ['shot-a-db', 'shot-b-db', 'shot-c-db'];

/** Sources beside `shop-db`, one for each disturbance, so that these can happen at the same time. */
const disturbedSources = [
  'cut-db',
  'dead-db',
  'denied-db',
  'expired-db',
  'false-db',
  'far-db',
  'killed-db',
  'odd-db',
  'reply-db',
  ...shotSources,
  'stopped-db',
  'twice-db',
];

export async function startDeployment(): Promise<Deployment> {
  const [sandbox, server] = await Promise.all([startSandbox(), startPostgres()]);
  try {
    writePlan();
    const load = loadShop(server, { database: 'shop_db', scale: 0.02 });
    const [plan] = await Promise.all([deploySandbox(sandbox, { planFile }), load]);
    const { primary } = plan.regions;
    // What is opened here as the command line would open it finds the sandbox as every process does.
    Object.assign(process.env, sandbox.environment(primary));
    const deployment = assemble(sandbox, server, plan);
    for (const source of plan.sources) {
      const database = databaseOf(source.id);
      if (source.id !== 'shop-db') {
        await sql(server, 'postgres', `create database ${database} template shop_db`);
        // Rows of another source must not pass for these.
        await sql(server, database, `update shop.customers set name = '${source.id}' where id = 1`);
      }
      // The test with the odd password makes this one.
      if (source.id !== 'odd-db')
        await deployment.storeSecret(primary, source.connection.secret, server.connectionTo(database));
    }
    return deployment;
  } catch (error) {
    await Promise.all([sandbox.down(), server.destroy()]);
    throw error;
  }
}

export function databaseOf(source: string): string {
  return source.replaceAll('-', '_');
}

function writePlan(): void {
  const document = parseDocument(fs.readFileSync(path.join(projectRoot, 'examples/drill.yaml'), 'utf8'));
  document.set('name', 'e2e');
  const wrong = { name: 'no customers', sql: 'select not exists (select from shop.customers)' };
  for (const source of disturbedSources) {
    document.setIn(['sources', source], {
      engine: 'postgres',
      priority: 'HIGH',
      connection: { secret: `${source}/backup`, tls: 'disable' },
      schedule: { full: 'rate(30 minutes)' },
      runTime: '5m',
      ...(source === 'false-db' && { checks: [wrong] }),
    });
  }
  const target = (id: string, region: string, secret: string) =>
    document.setIn(['targets', id], { region, connection: { secret, tls: 'disable' } });
  target('shop-db-tables', 'us-west-2', 'shop-db/tables');
  target('odd-db-restored', 'us-west-2', 'odd-db/restored');
  fs.mkdirSync(path.dirname(planFile), { recursive: true });
  fs.writeFileSync(planFile, document.toString());
}

function assemble(sandbox: Sandbox, server: PostgresServer, plan: Plan): Deployment {
  const names = deploymentNames(plan);
  const { primary, standby } = plan.regions;
  const settings = (region: string) => ({
    region,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const catalog = (region: string) =>
    createDynamoCatalogStore({ client: new DynamoDBClient(settings(region)), table: names.table });
  const start = async (machine: StateMachineName, region: string, input: unknown) => {
    const stateMachineArn = names.stateMachineArn(machine, region);
    const command = new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) });
    return (await new SFNClient(settings(region)).send(command)).executionArn ?? '';
  };
  const ended = async (executionArn: string): Promise<Ended> => {
    const region = executionArn.split(':')[3] ?? '';
    const client = new SFNClient(settings(region));
    for (;;) {
      const { status, error, cause } = await client.send(new DescribeExecutionCommand({ executionArn }));
      if (status !== 'RUNNING') {
        const jobs = await catalog(region).listJobs({ limit: 200 });
        return { executionArn, status, error, cause, job: jobs.find(({ owner }) => owner === executionArn) };
      }
      await pause(300);
    }
  };
  const run = async (machine: StateMachineName, region: string, input: unknown) =>
    ended(await start(machine, region, input));
  return {
    sandbox,
    plan,
    primary,
    standby,
    server,
    names,
    settings,
    s3: (region) => new S3Client({ ...settings(region), forcePathStyle: true }),
    catalog,
    vault: (region) => openDeployedVault({ names, plan, region }),
    start,
    ended,
    run,
    backUp: (source) => run('backup', primary, { source }),
    cli: (words, endpoint = sandbox.endpoint) =>
      runCli([...words.split(' '), '--plan', planFile], {
        env: { ...sandbox.environment(primary), AWS_ENDPOINT_URL: endpoint },
      }),
    taskOf: (source) =>
      listContainers(path.join(sandbox.directory, 'containers')).find(({ pid }) =>
        environmentOf(pid).includes(`HOLDFAST_SOURCE=${source}`),
      ),
    storeSecret: async (region, name, secret) => {
      const SecretString = JSON.stringify(secret);
      const client = new SecretsManagerClient(settings(region));
      await client.send(new CreateSecretCommand({ Name: name, SecretString })).catch((error: unknown) => {
        if (!(error instanceof ResourceExistsException)) throw error;
        return client.send(new PutSecretValueCommand({ SecretId: name, SecretString }));
      });
    },
    close: async () => {
      await Promise.all([sandbox.down(), server.destroy()]);
    },
  };
}

/** Of a process that lives; nothing of one that is gone. */
export function environmentOf(pid: number): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Until it holds; the execution that it waits for has its own end, so this one is the test's. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(50);
}
