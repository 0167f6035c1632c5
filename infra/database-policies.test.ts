import { beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedResource } from './testing/resolve.ts';
import { roleOf, simulate } from './testing/simulate.ts';
import { examplePlan, testStacks } from './testing/test-app.ts';

const account = '111122223333';
const primary = 'us-east-1';
const standby = 'us-west-2';

let resources: readonly ResolvedResource[];
beforeAll(async () => {
  const plan = await examplePlan('rds-iam');
  const [source] = plan.sources;
  const byPassword = { secret: 'till-db/backup', tls: 'verify-full', iam: false } as const;
  const other = { ...byPassword, iam: true, username: 'holdfast_other' };
  ({ resources } = testStacks({
    ...plan,
    sources: [
      source!,
      { ...source!, id: 'till-db', connection: byPassword },
      { ...source!, id: 'other-db', connection: other },
    ],
  }));
});

const connect = (
  { workflow, source = 'shop-db', region = primary }: { workflow: string; source?: string; region?: string },
  user: string,
  databaseIn = region,
) =>
  simulate(roleOf(resources, { region, id: new RegExp(`\\.${workflow}\\.${source}\\.`) }), {
    action: 'rds-db:connect',
    resource: `arn:aws:rds-db:${databaseIn}:${account}:dbuser:db-ABCDEFGHIJKL/${user}`,
  });

describe('by IAM authentication', () => {
  it('a backup connects as the user of its source and as nobody else', async () => {
    const backup = { workflow: 'backup' };
    expect(await connect(backup, 'holdfast_backup')).toBe('Allowed');
    for (const user of ['holdfast_other', 'holdfast_restore', 'holdfast_backup2', 'postgres'])
      expect([user, await connect(backup, user)]).toEqual([user, 'ImplicitlyDenied']);
  });

  it('a backup connects in both Regions of the plan and in no third', async () => {
    const backup = { workflow: 'backup', region: standby };
    expect(await connect(backup, 'holdfast_backup', standby)).toBe('Allowed');
    expect(await connect(backup, 'holdfast_backup', primary)).toBe('Allowed');
    expect(await connect(backup, 'holdfast_backup', 'eu-west-1')).toBe('ImplicitlyDenied');
  });

  it('a restore connects as the users of the targets in its Region, never as that of a source', async () => {
    const restore = { workflow: 'restore', region: standby };
    expect(await connect(restore, 'holdfast_restore')).toBe('Allowed');
    expect(await connect(restore, 'holdfast_backup')).toBe('ImplicitlyDenied');
    expect(await connect(restore, 'holdfast_restore', primary)).toBe('ImplicitlyDenied');
    expect(await connect({ workflow: 'restore' }, 'holdfast_restore')).toBe('ImplicitlyDenied');
  });

  it('a restore test and a source with a password connect as nobody', async () => {
    expect(await connect({ workflow: 'restore-test' }, 'holdfast_backup')).toBe('ImplicitlyDenied');
    for (const user of ['holdfast_backup', 'holdfast_other'])
      expect(await connect({ workflow: 'backup', source: 'till-db' }, user)).toBe('ImplicitlyDenied');
  });
});
