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
