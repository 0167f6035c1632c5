import path from 'node:path';
import { stringify } from 'yaml';
import { checkPlan, planError } from '../../core/plan/load-plan.ts';
import type { Plan } from '../../core/plan/plan.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** What the templates of a plan depend on. What is left out is as in the least plan. */
export interface PlanShape {
  /** @default 1 */
  readonly sources?: number;
  /** How many targets, alternately in the standby and in the primary Region. @default 1 */
  readonly targets?: number;
  /** Names as long as the plan allows, in Regions with long names. Secrets take what `secretCharacters` says. */
  readonly longNames?: boolean;
  /** @default 60 with long names */
  readonly secretCharacters?: number;
  readonly lock?: 'compliance' | 'governance' | 'none';
  readonly breakGlass?: boolean;
  /** @default true */
  readonly replicationTimeControl?: boolean;
  /** Regions with a network of the plan's. @default none */
  readonly networks?: readonly ('primary' | 'standby')[];
  /** IAM database authentication, for all sources and targets. */
  readonly iam?: boolean;
  /** A canary in every source. */
  readonly canary?: boolean;
  readonly heartbeat?: 'url' | 'secret';
  readonly tiers?: boolean;
}

const shortRegions = { primary: 'us-east-1', standby: 'us-west-2' };
const longRegions = { primary: 'ap-southeast-1', standby: 'ap-northeast-1' };

/** The plan file of a shape, as somebody would write it. */
export function planDocumentOf(shape: PlanShape): Record<string, unknown> {
  const { longNames = false, breakGlass = false, tiers = false, networks = [] } = shape;
  const regions = longNames ? longRegions : shortRegions;
  return {
    name: longNames ? fill('lint', 20) : 'lint',
    account: '111122223333',
    regions,
    vault: {
      lock: shape.lock ?? 'compliance',
      retentionDays: 400,
      replicationTimeControl: shape.replicationTimeControl ?? true,
      ...(breakGlass && { breakGlassKey: './break-glass.pub.pem' }),
      ...(tiers && { tiers: { warmAfterDays: 30, coldAfterDays: 97 } }),
    },
    network: Object.fromEntries(networks.map((role) => [regions[role], networkIn(regions[role])])),
    sources: Object.fromEntries(
      numbered(shape.sources ?? 1).map((i) => [
        longNames ? fill(`source-${i}`, 63) : `source-${i}`,
        sourceOf(shape, i),
      ]),
    ),
    targets: Object.fromEntries(
      numbered(shape.targets ?? 1).map((i) => [
        longNames ? fill(`target-${i}`, 63) : `target-${i}`,
        {
          region: i % 2 === 1 ? regions.standby : regions.primary,
          connection: connectionOf(shape, `target-${i}`),
        },
      ]),
    ),
    notifications: {
      [longNames ? fill('oncall', 20) : 'oncall']: {
        sns: true,
        ...(shape.heartbeat === 'url' && { heartbeat: { url: 'https://example.com/ping/{region}' } }),
        ...(shape.heartbeat === 'secret' && { heartbeat: { secret: secretOf(shape, 'heartbeat') } }),
      },
    },
  };
}

/** @throws PLAN_INVALID when the plan's own checks refuse the shape */
export function planOf(shape: PlanShape): Plan {
  // A fixed moment: schedules are judged from there on, and two syntheses must not differ by the day.
  const now = new Date('2026-11-21T10:00:00Z');
  const check = checkPlan(stringify(planDocumentOf(shape)), path.join(root, 'examples/lint.yaml'), { now });
  if (check.plan === undefined) throw planError(check.problems);
  return check.plan;
}

function sourceOf(shape: PlanShape, i: number): Record<string, unknown> {
  return {
    engine: 'postgres',
    tier: 5,
    connection: connectionOf(shape, `source-${i}`),
    schedule: { full: 'cron(0 2/6 * * ? *)', timezone: 'Europe/Berlin' },
    runTime: '20m',
    ...(shape.canary === true && { canary: { every: '60s' } }),
  };
}

function connectionOf(shape: PlanShape, name: string): Record<string, unknown> {
  const secret = secretOf(shape, name);
  if (shape.iam !== true) return { secret };
  const user = `user_${name.replaceAll('-', '_')}`;
  return { secret, iam: true, username: shape.longNames === true ? user.padEnd(63, '_long') : user };
}

function secretOf({ longNames = false, secretCharacters }: PlanShape, name: string): string {
  return longNames ? `${name}/`.padEnd(secretCharacters ?? 60, 'secret-') : `${name}/secret`;
}

function networkIn(region: string) {
  return {
    vpcId: 'vpc-0a1b2c3d4e5f60718',
    subnetIds: ['subnet-0a1b2c3d4e5f60718', 'subnet-1a1b2c3d4e5f60718'],
    azs: [`${region}a`, `${region}b`],
    securityGroupIds: ['sg-0a1b2c3d4e5f60718'],
  };
}

/** A name of exactly so many characters that ends as names may. */
function fill(begin: string, characters: number): string {
  return `${`${begin}-`.padEnd(characters - 1, 'long-name-')}x`;
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
