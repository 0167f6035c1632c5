import pg from 'pg';
import type { PostgresConnection } from '../engines/postgres/connection.ts';
import { taskNames, type TaskDefinitionArns } from '../plan/names.ts';
import type { Plan } from '../plan/plan.ts';

/** A plan for tests: one source, one target in the standby Region. */
export const examplePlan: Plan = {
  name: 'acme',
  account: '111122223333',
  regions: { primary: 'us-east-1', standby: 'us-west-2' },
  vault: { lock: 'compliance', retentionDays: 30, tiers: {}, replicationTimeControl: true },
  network: {},
  sources: [
    {
      id: 'shop-db',
      engine: 'postgres',
      objectives: { rpoSeconds: 86_400, rtoSeconds: 14_400 },
      connection: { secret: 'shop-db/backup', tls: 'verify-full', iam: false },
      schedule: { full: 'rate(15 minutes)', timezone: 'UTC', intervalSeconds: 900 },
      onDdl: 'yield',
      connections: 4,
      retention: { daily: 7 },
      checks: [],
    },
  ],
  targets: [
    {
      id: 'shop-db-restored',
      region: 'us-west-2',
      connection: { secret: 'shop-db/restored', tls: 'require', iam: false },
    },
  ],
  notifications: {},
};

/** As its deployment would have registered them. */
export const exampleDefinitions = Object.fromEntries(
  taskNames.map((name) => [
    name,
    `arn:aws:ecs:us-east-1:111122223333:task-definition/holdfast-acme-${name}:7`,
  ]),
) as TaskDefinitionArns;

/** Runs SQL as a test would: one connection, one text, the last statement's rows. */
export async function runSql(
  connection: PostgresConnection,
  text: string,
): Promise<Record<string, unknown>[]> {
  const { host, port, password } = connection;
  const client = new pg.Client({
    host,
    port,
    password,
    database: connection.dbname,
    user: connection.username,
  });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** Other numbers each time, unless HOLDFAST_TEST_SEED asks for those of an earlier run, which names its seed. */
export function seededRandom(): { readonly seed: number; next(): number } {
  const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  return {
    seed,
    next: () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    },
  };
}
