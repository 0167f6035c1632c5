import { type DeploymentNames, deploymentNames, type NamedRoles, namedRoles } from '../plan/names.ts';
import type { Plan } from '../plan/plan.ts';

export interface WatchedKey {
  readonly keyId: string;
  readonly keyArn: string;
}

export function keyOfArn(keyArn: string): WatchedKey {
  return { keyArn, keyId: keyArn.slice(keyArn.lastIndexOf('/') + 1) };
}

/** What one Region's watch is made of beside the plan: known only once the keys are there. */
export interface WatchFacts {
  readonly plan: Plan;
  /** One of the plan's two Regions. */
  readonly region: string;
  /** This Region's keys: both of the vault, and the one of the topic of the alarms. */
  readonly keys: Readonly<Record<'vault' | 'signing' | 'alarms', WatchedKey>>;
  /** Qualifier of `cdk bootstrap`; names the role by which deployments change things. */
  readonly bootstrapQualifier: string;
}

/** The same with everything that follows from it. */
export interface Watched extends WatchFacts {
  readonly role: 'primary' | 'standby';
  readonly names: DeploymentNames;
  readonly roles: NamedRoles;
  readonly topicArn: string;
}

export function watched(facts: WatchFacts): Watched {
  const { plan, region, bootstrapQualifier } = facts;
  const names = deploymentNames(plan);
  return {
    ...facts,
    role: region === plan.regions.primary ? 'primary' : 'standby',
    names,
    roles: namedRoles(plan, bootstrapQualifier),
    topicArn: `arn:aws:sns:${region}:${plan.account}:${names.alarmTopic}`,
  };
}
