import type { Plan, SourcePlan } from './plan.ts';
import { deploymentNames } from './names.ts';

/** What there is to know about one kind of alarm. */
export interface AlarmFacts {
  /** First line of the alarm's description. */
  readonly says: string;
  /**
   * `event`: something happened. CloudWatch returns such an alarm to OK as soon as no new one happens, which ends nothing:
   * whoever is paged must close it, so there is no OK action. `state`: something is so; OK means that it no longer is.
   */
  readonly tells: 'event' | 'state';
  /** One alarm for each source, or one for the plan. */
  readonly per: 'source' | 'plan';
  /** Sources that have it, of one for each source. @default - all */
  readonly sources?: (source: SourcePlan) => boolean;
  /** The Region that has it. @default - both */
  readonly only?: 'primary' | 'standby';
  /** Plans that have it. @default - all */
  readonly when?: (plan: Plan) => boolean;
  /** It listens to an EventBridge rule of its name. */
  readonly rule?: true;
}

/**
 * Every kind of alarm there is. The kind is part of the alarm's name and the heading of its section in docs/runbook.md; a
 * test compares both ways.
 */
export const alarmKinds = {
  'backup-failed': { says: 'A backup failed.', tells: 'event', per: 'source' },
  'backup-overdue': {
    says: 'No new protected recovery point although one is due.',
    tells: 'state',
    per: 'source',
    only: 'primary',
  },
  'backup-too-old': {
    says: 'The newest protected recovery point is older than the RPO allows.',
    tells: 'state',
    per: 'source',
    only: 'primary',
  },
  'backup-slow': { says: 'A backup took longer than planned.', tells: 'event', per: 'source' },
  'backup-large': { says: 'A backup stored more than 100 GB.', tells: 'event', per: 'source' },
  'replication-late': {
    says: 'The other Region had no complete, locked copy within the time allowed.',
    tells: 'event',
    per: 'source',
  },
  'verification-failed': {
    says: 'An object in the other Region differs from what was stored, or a manifest cannot be right.',
    tells: 'event',
    per: 'source',
  },
  'peer-down': {
    says: "The other Region's vault does not answer: new recovery points have no copy.",
    tells: 'state',
    per: 'plan',
  },
  'restore-failed': { says: 'A restore failed.', tells: 'event', per: 'source' },
  'restored-with-faults': {
    says: 'A restore is done and every row is in, but objects are not as in the source.',
    tells: 'event',
    per: 'source',
  },
  'restore-test-failed': { says: 'A restore test did not pass.', tells: 'event', per: 'source' },
  'dead-man': {
    says: 'Seen from the other Region: no protected recovery point within the RPO, or no news at all.',
    tells: 'state',
    per: 'source',
    only: 'standby',
  },
  'schedule-not-delivered': {
    says: 'A schedule could not start its job; the order lies in the dead-letter queue.',
    tells: 'state',
    per: 'plan',
  },
  'vault-configuration-changed': {
    says: 'Someone tried to change what protects the vault: lock, replication, lifecycle or policy.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'key-endangered': {
    says: 'Someone tried to disable or delete a key of the vault or of the alarms, or to change its policy.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'vault-object-deleted': {
    says: 'A version of an object in the vault was deleted, or hidden behind a delete marker.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'watch-endangered': {
    says: 'Someone tried to silence the alarms: to delete, disable or change an alarm or a rule, or to delete a stack.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'topic-endangered': {
    says: 'Someone tried to delete the topic of the alarms, to change it, or to take a subscriber away.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'jobs-changed': {
    says: 'Someone tried to change what runs, or when: a schedule, a function, a state machine or a task definition.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'roles-changed': {
    says: "Someone tried to change a role that the vault's policy exempts, or outside a deployment one of Holdfast's.",
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'exempt-role-used': {
    says: 'Someone took on the retention role or the break-glass role, or tried to, or acts as one of them.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
  'canary-not-written': {
    says: 'No canary was written into the source: a restore of a newer point could not measure how far its data reaches.',
    tells: 'state',
    per: 'source',
    sources: ({ canary }) => canary !== undefined,
  },
  'heartbeat-missing': {
    says: 'No heartbeat left the account: something that would ring is not in place, or the address does not take it.',
    tells: 'state',
    per: 'plan',
    when: (plan) => heartbeatsOf(plan).length > 0,
  },
  'trail-endangered': {
    says: 'Someone tried to stop, delete or change a CloudTrail trail; without one the alarms for tampering hear nothing.',
    tells: 'event',
    per: 'plan',
    rule: true,
  },
} as const satisfies Record<string, AlarmFacts>;

export type AlarmKind = keyof typeof alarmKinds;

export const runbookFile = 'docs/runbook.md';

/** Name of an alarm; the same for the one who makes it and the one who looks for it. */
export function alarmName(plan: Pick<Plan, 'name' | 'account'>, kind: AlarmKind, source?: string): string {
  const { prefix } = deploymentNames(plan);
  return [prefix, kind, source].filter((part) => part !== undefined).join('-');
}

/** The channels of a plan that have a heartbeat, each with the name of its rule. */
export function heartbeatsOf(plan: Pick<Plan, 'name' | 'account' | 'notifications'>) {
  return Object.entries(plan.notifications).flatMap(([channel, { heartbeat }]) =>
    heartbeat === undefined
      ? []
      : [{ channel, heartbeat, ruleName: `${deploymentNames(plan).prefix}-heartbeat-${channel}` }],
  );
}
