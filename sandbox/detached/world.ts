import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { HoldfastError } from '../../core/errors.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { deploySandbox } from '../deploy/deploy.ts';
import { loadShop } from '../drill/workload/load-shop.ts';
import { type PostgresServer, startPostgres } from '../postgres/postgres-server.ts';
import { runHoldfast } from '../run-holdfast.ts';
import { type Sandbox, startSandbox } from '../sandbox.ts';

export interface WorldOptions {
  readonly plan: Plan;
  readonly planFile: string;
  /** False leaves both Regions empty but for the secrets. */
  readonly deploy: boolean;
  /** @default a free one */
  readonly port?: number | undefined;
  /** Of the shop and of the empty server. @default free ones */
  readonly databasePorts?: readonly [number, number] | undefined;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

interface Database {
  readonly region: string;
  server: PostgresServer;
}

/** Two Regions with a database in each: the shop in the primary, an empty server in the standby. */
export interface World {
  readonly sandbox: Sandbox;
  readonly regions: readonly string[];
  readonly ports: { readonly shop: number; readonly restored: number };
  killRegion(region: string): Promise<void>;
  reviveRegion(region: string): Promise<void>;
  down(): Promise<void>;
}

/** Starts everything, or leaves nothing running. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { plan, signal, onStep } = options;
  const started: { sandbox?: Sandbox; databases: Database[] } = { databases: [] };
  const down = async () => {
    await Promise.all(started.databases.map(({ server }) => server.destroy()));
    await started.sandbox?.down();
  };
  const startDatabase = async (region: string, port: number | undefined) => {
    const server = await startPostgres({ settings: { max_connections: '60' }, ...(port && { port }) });
    const database: Database = { region, server };
    started.databases.push(database);
    return database;
  };
  const startBoth = async () => {
    const shop = await startDatabase(plan.regions.primary, options.databasePorts?.[0]);
    await loadShop(shop.server, { database: 'shop', scale: 0.05 });
    return [shop, await startDatabase(plan.regions.standby, options.databasePorts?.[1])] as const;
  };
  const startAll = async () => {
    started.sandbox = await startSandbox(options.port === undefined ? {} : { port: options.port });
    signal.throwIfAborted();
    if (options.deploy) {
      await deploySandbox(started.sandbox, { planFile: options.planFile, signal, onStep });
    }
    return started.sandbox;
  };
  onStep('starting the local AWS and two PostgreSQL 18');
  const [sandboxed, based] = await Promise.allSettled([startAll(), startBoth()]);
  try {
    // Both have ended, one way or the other: nothing starts behind the back of what follows.
    if (sandboxed.status === 'rejected') throw sandboxed.reason;
    if (based.status === 'rejected') throw based.reason;
    signal.throwIfAborted();
    const [shop, restored] = based.value;
    await storeSecrets(sandboxed.value, plan, { shop, restored });
    if (options.deploy) await installCanaries(sandboxed.value, options, shop);
    const ports = { shop: shop.server.port, restored: restored.server.port };
    const sandbox = sandboxed.value;
    const regions = [plan.regions.primary, plan.regions.standby];
    return { sandbox, regions, ports, down, ...regionSwitch(sandbox, [shop, restored]) };
  } catch (error) {
    await down();
    throw error;
  }
}

/** By the product's own command, as the plan's source has one. */
async function installCanaries(
  sandbox: Sandbox,
  { plan, planFile }: WorldOptions,
  shop: Database,
): Promise<void> {
  for (const { id } of plan.sources.filter(({ canary }) => canary !== undefined)) {
    const args = ['canary', 'install', id, '--url', shop.server.url('shop')];
    await runHoldfast({ sandbox, region: plan.regions.primary, planFile, args });
  }
}

/** The databases of a Region go and come with it. */
function regionSwitch(sandbox: Sandbox, databases: readonly Database[]) {
  const within = (region: string) => databases.filter((database) => database.region === region);
  return {
    killRegion: async (region: string) => {
      if (sandbox.deadRegions().includes(region)) return;
      await sandbox.killRegion(region);
      await Promise.all(within(region).map(({ server }) => server.kill()));
    },
    reviveRegion: async (region: string) => {
      if (!sandbox.deadRegions().includes(region)) return;
      for (const database of within(region)) {
        const { dataDirectory, port } = database.server;
        const settings = { max_connections: '60' };
        database.server = await startPostgres({ dataDirectory, port, settings });
      }
      await sandbox.reviveRegion(region);
    },
  };
}

/** Where the plan says they are, as RDS writes them; the source's also in the standby, as a replicated secret is. */
async function storeSecrets(
  sandbox: Sandbox,
  plan: Plan,
  databases: { readonly shop: Database; readonly restored: Database },
): Promise<void> {
  const orders = [
    [plan.regions.primary, plan.sources[0], databases.shop, 'shop'],
    [plan.regions.standby, plan.sources[0], databases.shop, 'shop'],
    [plan.regions.standby, plan.targets[0], databases.restored, 'postgres'],
  ] as const;
  for (const [region, place, { server }, dbname] of orders) {
    if (place === undefined)
      throw new HoldfastError('INTERNAL', "the sandbox's plan lacks its source or target");
    const { host, port, username, password } = server.connection;
    const client = new SecretsManagerClient({
      region,
      endpoint: sandbox.endpoint,
      credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
    });
    await client.send(
      new CreateSecretCommand({
        Name: place.connection.secret,
        SecretString: JSON.stringify({ host, port, dbname, username, password }),
      }),
    );
    client.destroy();
  }
}
