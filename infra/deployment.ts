import { type DeploymentNames, type NamedRoles, namedRoles } from '../core/plan/names.ts';
import type { Plan } from '../core/plan/plan.ts';

/** What every stack is built from: the plan, the names derived from it, and what was made before the synthesis. */
export interface Deployment {
  readonly plan: Plan;
  readonly names: DeploymentNames;
  /** Folder with one bundle per function, as `buildLambdas` leaves it. */
  readonly functionCode: string;
  /** Image of the tasks by digest; `{region}` in it stands for the Region that runs it, so that no Region pulls from another. */
  readonly image: string;
  /** Images of the scratch servers by major version. @default - the newest of that major, by tag */
  readonly scratchImages?: Readonly<Record<string, string>>;
  /** Qualifier of `cdk bootstrap`; names the one role that CloudFormation changes things with. */
  readonly bootstrapQualifier: string;
  /**
   * When this deployment was synthesized: functions that set what CloudFormation does not then run in every deployment, and
   * so mend what somebody changed behind its back. @default - they run only when what they set changes
   */
  readonly appliedAt?: string;
  /** PEM text of the signing key's public half, pinned beside the plan. @default - readers ask KMS */
  readonly signingPublicKey?: string;
}

/** One of the two Regions, seen from inside. */
export interface Side {
  readonly role: 'primary' | 'standby';
  readonly region: string;
  readonly peerRegion: string;
}

export function sideOf(plan: Plan, role: Side['role']): Side {
  const { primary, standby } = plan.regions;
  return role === 'primary'
    ? { role, region: primary, peerRegion: standby }
    : { role, region: standby, peerRegion: primary };
}

/** The roles that policies name before they exist. */
export function namedRolesOf({ plan, bootstrapQualifier }: Deployment): NamedRoles {
  return namedRoles(plan, bootstrapQualifier);
}

/** A property that makes a custom resource run again in each deployment. */
export function reapplied({ appliedAt }: Deployment): { readonly AppliedAt?: string } {
  return appliedAt === undefined ? {} : { AppliedAt: appliedAt };
}
