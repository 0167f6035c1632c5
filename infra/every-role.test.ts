import { describe, expect, it } from 'vitest';
import type { Plan } from '../core/plan/plan.ts';
import { planOf, type PlanShape } from './testing/plan-shapes.ts';
import { type RoleAttempt, roleAttempts } from './testing/role-attempts.ts';
import type { ResolvedResource } from './testing/resolve.ts';
import { bucketPolicy, type Principal, principalOf, simulate } from './testing/simulate.ts';
import { testStacks } from './testing/test-app.ts';

const all = { sources: 2, targets: 2, canary: true, heartbeat: 'secret' } as const;
const shapes: Readonly<Record<string, PlanShape>> = {
  'one source': {},
  'several sources with canaries and a heartbeat': all,
  'a break-glass key that a living plan gets': { ...all, breakGlass: true },
  'IAM authentication, governance, networks of its own': {
    ...all,
    iam: true,
    lock: 'governance',
    networks: ['primary', 'standby'],
    replicationTimeControl: false,
  },
};

/** What a role is for, in a word: a role that is not known here goes by its logical id, and so may do nothing. */
function kindOf({ logicalId, properties }: ResolvedResource, { name, sources }: Plan): string {
  const roleName: string = properties['RoleName'] ?? '';
  const [, workflow, source] = roleName.split('.');
  if (workflow !== undefined) return `${workflow} of ${source}`;
  const named = new RegExp(`^holdfast-${name}-([a-z-]+?)(?:-[a-z]+-[a-z]+-\\d)?$`).exec(roleName)?.[1];
  if (named !== undefined) return named;
  const canary = sources.find(({ id }) => logicalId.startsWith(`Canaries${id.replace('-', '')}WriterRole`));
  if (canary !== undefined) return `canary of ${canary.id}`;
  const known = Object.entries(kinds).find(([begin]) => logicalId.startsWith(begin));
  return known === undefined ? logicalId : known[1];
}

const kinds = {
  FunctionsclaimjobRole: 'claim-job',
  FunctionscheckcopyRole: 'check-copy',
  FunctionsfinishjobRole: 'finish-job',
  FunctionsfailjobRole: 'fail-job',
  FunctionsdeadmanRole: 'dead-man',
  MachinesbackupRole: 'backup machine',
  MachinesrestoreRole: 'restore machine',
  MachinesrestoretestRole: 'restore-test machine',
  WatchHeartbeatheartbeatRole: 'heartbeat',
};

function policyOf(resources: readonly ResolvedResource[], plan: Plan, role: 'primary' | 'standby') {
  const peer = role === 'primary' ? 'standby' : 'primary';
  const bucket = (side: 'primary' | 'standby') =>
    `holdfast-${plan.name}-${plan.account}-${plan.regions[side]}`;
  const key = (side: 'primary' | 'standby', alias: string) =>
    resources.find(
      ({ type, region, properties }) =>
        type === 'Custom::HoldfastKey' &&
        region === plan.regions[side] &&
        properties['Alias'].endsWith(alias),
    )?.properties['KeyPolicy'];
  const policies: Readonly<Record<NonNullable<RoleAttempt['on']>, unknown>> = {
    vault: bucketPolicy(resources, bucket(role)),
    peerVault: bucketPolicy(resources, bucket(peer)),
    vaultKey: key(role, '-vault'),
    signingKey: key(role, '-signing'),
    peerVaultKey: key(peer, '-vault'),
  };
  return ({ on }: RoleAttempt) => (on === undefined ? undefined : policies[on]);
}

/**
 * False where nothing can allow the call, so that simulating it would only take time: no policy of the role names the service
 * (or everything), and the resource's own policy allows to the account at most, which leaves it to the role's policies.
 */
function mayBeAllowed({ policies }: Principal, { action }: RoleAttempt, resourcePolicy: unknown): boolean {
  const text = JSON.stringify(policies);
  const named =
    text.includes(`"${action.split(':')[0]}:`) || text.includes('"*:') || /"Action":\[?"\*/.test(text);
  const statements =
    (resourcePolicy as { Statement?: readonly Record<string, unknown>[] } | undefined)?.Statement ?? [];
  const root = `arn:aws:iam::111122223333:root`;
  const open = statements.some(
    ({ Effect, Principal: whom }) => Effect === 'Allow' && (whom as { AWS?: unknown }).AWS !== root,
  );
  return named || open || text.includes('NotAction');
}

describe.each(Object.entries(shapes))('every role of a plan with %s', (_, shape) => {
  const plan = planOf(shape);
  const { resources } = testStacks(plan);

  it.each(['primary', 'standby'] as const)(
    'may do in the %s Region what its work needs, and no more',
    async (role) => {
      const roles = resources.filter(
        ({ type, region }) => type === 'AWS::IAM::Role' && region === plan.regions[role],
      );
      const attempts = roleAttempts({ plan, role });
      const policy = policyOf(resources, plan, role);
      const kindsHere = new Set(roles.map((one) => kindOf(one, plan)));
      const wrong: string[] = [];
      for (const one of roles) {
        const principal = principalOf(resources, one);
        const kind = kindOf(one, plan);
        for (const attempt of attempts) {
          const allowed =
            mayBeAllowed(principal, attempt, policy(attempt)) &&
            (await simulate(principal, attempt, policy(attempt))) === 'Allowed';
          const may = attempt.may?.includes(kind) ?? false;
          if (allowed !== may)
            wrong.push(`${kind} × ${attempt.what}: ${allowed ? 'allowed' : 'not allowed'}`);
        }
      }
      const absent = attempts.flatMap(({ may = [] }) => may).filter((kind) => !kindsHere.has(kind));
      expect(new Set(absent)).toEqual(new Set());
      expect(wrong).toEqual([]);
    },
  );
});
