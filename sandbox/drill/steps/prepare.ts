import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import fs from 'node:fs';
import path from 'node:path';
import { parseDocument } from 'yaml';
import { type PostgresServer, startPostgres } from '../../postgres/postgres-server.ts';
import { startSandbox } from '../../sandbox.ts';
import { deploySandbox } from '../../deploy/deploy.ts';
import { type Drill, made } from '../drill-context.ts';
import { sayBytes } from '../report/words.ts';
import { startLiveWriter } from '../workload/live-writer.ts';
import { loadShop } from '../workload/load-shop.ts';
import { clientSettings } from './run-machine.ts';

const projectRoot = path.resolve(import.meta.dirname, '../../..');
export const databaseName = 'shop';

/** The sandbox with the deployed app, and beside it the database that is to be protected. */
export async function prepare(drill: Drill, canaryKey: Buffer): Promise<void> {
  const { state, options } = drill;
  const { source } = options;
  await Promise.all([
    drill.step('start the sandbox and deploy Holdfast', 'both', async (display) => {
      state.sandbox = await startSandbox();
      state.planFile = planFileFor(source);
      state.plan = await deploySandbox(state.sandbox, {
        planFile: state.planFile,
        onStep: (step) => display.update(step),
        signal: options.signal,
      });
      return `five CloudFormation stacks in ${state.plan.regions.primary} and ${state.plan.regions.standby}, properties read back`;
    }),
    source === undefined ? loadDatabase(drill) : Promise.resolve(),
  ]);
  if (source === undefined) {
    const database = made(state.database, 'database');
    state.writer = await startLiveWriter(database, databaseName, canaryKey);
    state.writesBeganAt = new Date();
    await storeSecret(drill, { region: 'primary', secret: connectionSecret(database, databaseName) });
  } else {
    await storeSecret(drill, { region: 'primary', secret: secretOfUrl(source) });
  }
}

async function loadDatabase(drill: Drill): Promise<void> {
  await drill.step('start PostgreSQL 18 and fill a shop', 'primary', async (display) => {
    drill.state.database = await startPostgres({ settings: { max_connections: '60' } });
    display.update('loading tenants, customers, orders, items, events and pgbench');
    drill.state.sourceBytes = await loadShop(drill.state.database, {
      database: databaseName,
      scale: drill.options.scale,
    });
    return `${sayBytes(drill.state.sourceBytes)}; orders, pgbench and a signed canary each second go on being written`;
  });
}

/** The drill's own plan; for somebody else's database the same without the shop's checks. */
function planFileFor(source: string | undefined): string {
  const example = path.join(projectRoot, 'examples/drill.yaml');
  if (source === undefined) return example;
  const document = parseDocument(fs.readFileSync(example, 'utf8'));
  document.deleteIn(['sources', 'shop-db', 'checks']);
  const file = path.join(projectRoot, '.cache/drill/holdfast.yaml');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, document.toString());
  return file;
}

/** `{host, port, dbname, username, password}` as RDS writes it. */
export function connectionSecret(server: PostgresServer, dbname: string): string {
  const { host, port, username, password } = server.connection;
  return JSON.stringify({ host, port, dbname, username, password });
}

function secretOfUrl(text: string): string {
  const url = new URL(text);
  return JSON.stringify({
    host: url.hostname,
    port: Number(url.port || 5432),
    dbname: decodeURIComponent(url.pathname.slice(1)),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  });
}

/** Puts a connection where the plan says it is: the source's in the primary Region, the target's in the standby. */
export async function storeSecret(
  drill: Drill,
  order: { region: 'primary' | 'standby'; secret: string },
): Promise<void> {
  const plan = made(drill.state.plan, 'plan');
  const place = order.region === 'primary' ? plan.sources[0] : plan.targets[0];
  const client = new SecretsManagerClient(clientSettings(drill, plan.regions[order.region]));
  await client.send(
    new CreateSecretCommand({
      Name: made(place, 'place for the secret').connection.secret,
      SecretString: order.secret,
    }),
  );
}
