import { heartbeatsOf } from './alarm-catalogue.ts';
import { deploymentNames } from './names.ts';
import type { Plan, SourcePlan, TargetPlan } from './plan.ts';
import type { Finding } from './plan-problem.ts';

/** One size of a deployment against the quota of AWS that nobody can have raised. */
export interface SizeFigure {
  readonly quota: keyof typeof sizeQuotas;
  /** Whose: a stack, a role, a function. */
  readonly of: string;
  readonly value: number;
}

/**
 * Fixed quotas. Templates: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html, whose
 * 1 MB is read as the smaller of its meanings. Roles, white space not counted:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. Key policies:
 * https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html. Bucket policies:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html. Definitions:
 * https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html. Environments:
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
 */
export const sizeQuotas = {
  resources: { limit: 500, unit: 'resources', what: 'CloudFormation takes in a stack' },
  template: { limit: 1_000_000, unit: 'bytes', what: 'CloudFormation takes in a template' },
  inlinePolicies: { limit: 10_240, unit: 'characters', what: 'IAM takes in the policies of a role' },
  managedPolicy: { limit: 6_144, unit: 'characters', what: 'IAM takes in a managed policy' },
  trustPolicy: { limit: 2_048, unit: 'characters', what: 'IAM takes in the trust policy of a role' },
  keyPolicy: { limit: 32_768, unit: 'bytes', what: 'KMS takes in the policy of a key' },
  bucketPolicy: { limit: 20_480, unit: 'bytes', what: 'S3 takes in the policy of a bucket' },
  definition: { limit: 1_048_576, unit: 'bytes', what: 'Step Functions takes in a definition' },
  environment: { limit: 4_096, unit: 'bytes', what: 'Lambda takes in the environment of a function' },
} as const;

type Role = 'primary' | 'standby';

/**
 * Upper bounds of what grows with a plan, from counts and lengths of names alone. The factors were measured on synthesized
 * templates and are held against them by `infra/template-sizes.test.ts`; everything else is checked when it is synthesized.
 */
export function deploymentFigures(plan: Plan): SizeFigure[] {
  const names = deploymentNames(plan);
  return (['primary', 'standby'] as const).flatMap((role) => {
    const of = `stack ${names.stack(role === 'primary' ? 'ControlPrimary' : 'ControlStandby')}`;
    const region = plan.regions[role];
    return [
      { quota: 'resources' as const, of, value: resourcesOf(plan, role) },
      { quota: 'template' as const, of, value: templateBytes(plan, role) },
      {
        quota: 'inlinePolicies' as const,
        of: `the roles of restores in ${region}`,
        value: restorePolicyCharacters(plan, role),
      },
      {
        quota: 'inlinePolicies' as const,
        of: `the role of check-copy in ${region}`,
        value: checkCopyPolicyCharacters(plan),
      },
      {
        quota: 'inlinePolicies' as const,
        of: `the role of heartbeat in ${region}`,
        value: heartbeatPolicyCharacters(plan, role),
      },
    ];
  });
}

export function exceeds({ quota, value }: SizeFigure): boolean {
  return value > sizeQuotas[quota].limit;
}

/** What is said about a figure that exceeds its quota; plan check and synthesis say the same. */
export function sizeWords({
  quota,
  of,
  value,
}: SizeFigure): Required<Pick<Finding, 'message' | 'allowed' | 'hint'>> {
  const { limit, unit, what } = sizeQuotas[quota];
  const perRole = quota === 'inlinePolicies' || quota === 'managedPolicy';
  return {
    message: `the plan is too large: ${of} would have ${value.toLocaleString('en')} ${unit}`,
    allowed: `${limit.toLocaleString('en')} ${unit}, which is what ${what} at most`,
    hint: `split the plan in two files with a name of their own each${perRole ? ', or give its secrets shorter names or the plan fewer targets' : ''}; a source that moves begins anew, and its earlier points stay with the first plan for as long as that one names it`,
  };
}

/** What plan check refuses: for each quota the worst figure. */
export function sizeFindings(plan: Plan): Finding[] {
  const worst = new Map<string, SizeFigure>();
  for (const figure of deploymentFigures(plan).filter(exceeds)) {
    const known = worst.get(figure.quota);
    if (known === undefined || known.value < figure.value) worst.set(figure.quota, figure);
  }
  return [...worst.values()].map((figure) => ({ path: ['sources'], atKey: true, ...sizeWords(figure) }));
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);

/** Exact. */
function resourcesOf(plan: Plan, role: Role): number {
  const canaries = plan.sources.filter(({ canary }) => canary !== undefined).length;
  const heartbeats = heartbeatsOf(plan).length;
  // The primary Region has one alarm more for each source, and the secrets of the canaries.
  const [perSource, perCanary] = role === 'primary' ? [15, 9] : [14, 8];
  return (
    76 +
    (plan.network[plan.regions[role]] === undefined ? 14 : 0) +
    perSource * plan.sources.length +
    perCanary * canaries +
    (heartbeats === 0 ? 0 : 6 + 2 * heartbeats)
  );
}

function templateBytes(plan: Plan, role: Role): number {
  const name = plan.name.length;
  const region = longestRegion(plan);
  const network = plan.network[plan.regions[role]];
  const networkIds =
    network === undefined
      ? 0
      : sum([...network.subnetIds, ...network.securityGroupIds].map((id) => id.length + 10));
  // A public key stands in the environments of seven task definitions and three functions.
  const pem = plan.vault.breakGlassPublicKey;
  const breakGlass = pem === undefined ? 0 : 10 * (JSON.stringify(pem).length + 60);
  const heartbeats = heartbeatsOf(plan).map(
    ({ channel, heartbeat }) => 1000 + 8 * channel.length + (heartbeat.secret?.length ?? 0),
  );
  const pinned = 2_500;
  return (
    113_500 +
    pinned +
    210 * name +
    253 * (region - 9) +
    (network === undefined ? 4_500 : 3 * networkIds) +
    breakGlass +
    (heartbeats.length === 0 ? 0 : 3_700 + sum(heartbeats)) +
    sum(plan.sources.map((source) => sourceBytes(plan, source, { role, networkIds })))
  );
}

function sourceBytes(
  plan: Plan,
  source: SourcePlan,
  { role, networkIds }: { readonly role: Role; readonly networkIds: number },
): number {
  const name = plan.name.length;
  const id = source.id.length;
  const { connection, schedule, canary } = source;
  const users = connection.iam ? 160 + 2 * (connection.username ?? '').length + 30 : 0;
  const targets = targetsOf(plan, role).map(
    ({ connection: { secret, username = '' } }) =>
      70 + secret.length + (username === '' ? 0 : 60 + username.length),
  );
  const writer =
    5_900 + 41 * id + 12 * name + (networkIds === 0 ? 0 : networkIds + 1_300) + (connection.iam ? 320 : 0);
  return (
    18_150 +
    73 * id +
    66 * name +
    74 * (longestRegion(plan) - 9) +
    connection.secret.length +
    2 * schedule.timezone.length +
    schedule.full.length +
    users +
    (targets.length === 0 ? 0 : 450 + sum(targets)) +
    (canary === undefined ? 0 : writer)
  );
}

/** The secrets of all targets of the Region, and the users for which the task signs itself in. */
function restorePolicyCharacters(plan: Plan, role: Role): number {
  const region = plan.regions[role].length;
  const targets = targetsOf(plan, role).map(({ connection }) => connection);
  const users = targets.flatMap(({ iam, username }) => (iam && username !== undefined ? [username] : []));
  return Math.max(
    ...plan.sources.map(
      ({ id, canary }) =>
        (targets.length === 0 && canary === undefined ? 1_370 : 1_720) +
        3 * id.length +
        6 * plan.name.length +
        14 * region +
        sum(targets.map(({ secret }) => 55 + region + secret.length)) +
        (canary === undefined ? 0 : 80 + region + plan.name.length + id.length) +
        (users.length === 0 ? 0 : 70 + sum(users.map((user) => 42 + region + user.length))),
    ),
  );
}

/** It looks at the objects of every source in both vaults. */
function checkCopyPolicyCharacters(plan: Plan): number {
  const region = longestRegion(plan);
  const name = plan.name.length;
  return (
    1_480 + 7 * name + 14 * region + sum(plan.sources.map(({ id }) => 2 * (46 + name + region + id.length)))
  );
}

function heartbeatPolicyCharacters(plan: Plan, role: Role): number {
  const region = plan.regions[role].length;
  const secrets = heartbeatsOf(plan).flatMap(({ heartbeat: { secret } }) => secret ?? []);
  return 1_500 + sum(secrets.map((secret) => 55 + region + secret.length));
}

function targetsOf(plan: Plan, role: Role): TargetPlan[] {
  return plan.targets.filter(({ region }) => region === plan.regions[role]);
}

function longestRegion({ regions }: Plan): number {
  return Math.max(regions.primary.length, regions.standby.length);
}
