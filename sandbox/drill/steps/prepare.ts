import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import type { PostgresConnection } from '../../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../../core/errors.ts';
import { readCanaryKey } from '../../../core/jobs/canary-key.aws.ts';
import { deploymentNames } from '../../../core/plan/names.ts';
import { runHoldfast } from '../../run-holdfast.ts';
import { startPostgres } from '../../postgres/postgres-server.ts';
import { startSandbox } from '../../sandbox.ts';
import { deploySandbox } from '../../deploy/deploy.ts';
import { type Drill, made } from '../drill-context.ts';
import { sayBytes } from '../report/words.ts';
import { startLiveWriter } from '../workload/live-writer.ts';
import { loadShop } from '../workload/load-shop.ts';
import { lookAtSource, planFileFor } from './own-source.ts';
import { clientSettings } from './run-machine.ts';

export const databaseName = 'shop';

/** The sandbox with the deployed app, and beside it the database that is to be protected. */
export async function prepare(drill: Drill): Promise<void> {
  const { state, options } = drill;
  if (options.source !== undefined) await lookAtSource(drill, options.source);
  // Both to their end, also when one fails: what the other has begun by then must be known to be shut down.
  const results = await Promise.allSettled([
    deploy(drill),
    state.own === undefined ? loadDatabase(drill) : Promise.resolve(),
  ]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  const connection = state.own ?? made(state.database, 'database').connectionTo(databaseName);
  await storeSecret(drill, { region: 'primary', connection });
  if (state.own === undefined) await startWriting(drill);
}

/** The canary by the product's own command and its deployed writer, then everything that writes until the disaster. */
async function startWriting(drill: Drill): Promise<void> {
  const { state } = drill;
  const plan = made(state.plan, 'plan');
  const source = made(plan.sources[0], 'source').id;
  const database = made(state.database, 'database');
  await drill.step('install the canary', 'primary', async () => {
    const region = plan.regions.primary;
    await runHoldfast({
      sandbox: made(state.sandbox, 'sandbox'),
      planFile: made(state.planFile, 'plan file'),
      region,
      args: ['canary', 'install', source, '--url', database.url(databaseName)],
    });
    const names = deploymentNames(plan);
    await invoke(new LambdaClient(clientSettings(drill, region)), names.canaryFunction(source));
    const secrets = new SecretsManagerClient(clientSettings(drill, region));
    const key = await readCanaryKey(secrets, names.canaryKeySecret(source));
    state.writer = await startLiveWriter(database, databaseName, key);
    state.writesBeganAt = new Date();
    return 'holdfast canary install; its deployed writer has written, and one row a second follows until the disaster';
  });
}

/** As its schedule would. @throws SANDBOX with what it says when it fails */
async function invoke(client: LambdaClient, FunctionName: string): Promise<void> {
  const { FunctionError, Payload } = await client.send(new InvokeCommand({ FunctionName, Payload: '{}' }));
  const said = Payload?.transformToString() ?? '';
  client.destroy();
  if (FunctionError !== undefined || !said.includes('"written"'))
    throw new HoldfastError('SANDBOX', `${FunctionName} wrote no canary: ${said}`);
}

async function deploy(drill: Drill): Promise<void> {
  const { state, options } = drill;
  await drill.step('deploy into both Regions', 'both', async (display) => {
    state.sandbox = await startSandbox();
    state.planFile = planFileFor(state.own, state.sandbox.directory);
    state.plan = await deploySandbox(state.sandbox, {
      planFile: state.planFile,
      onStep: (step) => display.update(step),
      signal: options.signal,
    });
    return `sandbox started, all CloudFormation stacks by cdk deploy in ${state.plan.regions.primary} and ${state.plan.regions.standby}, properties read back`;
  });
}

async function loadDatabase(drill: Drill): Promise<void> {
  await drill.step('load a shop into PostgreSQL 18', 'primary', async (display) => {
    drill.state.database = await startPostgres({ settings: { max_connections: '60' } });
    display.update('loading tenants, customers, orders, items, events and pgbench');
    drill.state.sourceBytes = await loadShop(drill.state.database, {
      database: databaseName,
      scale: drill.options.scale,
    });
    return `${sayBytes(drill.state.sourceBytes)}; orders and pgbench go on being written`;
  });
}

/** Puts a connection where the plan says it is: the source's in the primary Region, the target's in the standby. */
export async function storeSecret(
  drill: Drill,
  order: { readonly region: 'primary' | 'standby'; readonly connection: PostgresConnection },
): Promise<void> {
  const plan = made(drill.state.plan, 'plan');
  const place = order.region === 'primary' ? plan.sources[0] : plan.targets[0];
  // As RDS writes it.
  const { host, port, dbname, username, password } = order.connection;
  const client = new SecretsManagerClient(clientSettings(drill, plan.regions[order.region]));
  await client.send(
    new CreateSecretCommand({
      Name: made(place, 'place for the secret').connection.secret,
      SecretString: JSON.stringify({ host, port, dbname, username, password }),
    }),
  );
}
