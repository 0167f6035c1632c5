import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { type MetricName, metricNames } from '../../core/jobs/metrics.ts';
import type { AlarmKind } from '../../core/plan/alarm-catalogue.ts';
import { assumedRunTimeSeconds, worstLossSeconds } from '../../core/plan/objectives.ts';
import type { SourcePlan } from '../../core/plan/plan.ts';
import type { Deployment, Side } from '../deployment.ts';
import { deepLinkToFunction, deepLinkToStateMachine } from './deep-link.ts';
import { HoldfastAlarm, holdfastMetric } from './holdfast-alarm.ts';

export interface SourceAlarmsProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly source: SourcePlan;
  readonly topic: sns.ITopic;
}

/** What is late counts as overdue after this, or earlier where the RPO is near. */
const overdueAfterSeconds = 2 * 3600;
/** Two reports of the dead man: overdue rings at least this long before too old. */
const leastLeadSeconds = 10 * 60;
/** Larger than this deserves a look: time and price grow with it. */
const largeBytes = 100e9;
/** The dead man reports every five minutes; three values in a row are no accident. */
const agePeriods = 3;

interface Rule {
  readonly kind: AlarmKind;
  readonly metric: MetricName;
  readonly statistic: 'Maximum' | 'Sum';
  readonly above: number;
  /** Where an investigation starts. */
  readonly machine: 'backup' | 'restore' | 'restore-test' | 'canary';
  readonly periods?: number;
  readonly silence?: 'bad' | 'unchanged';
}

/** The alarms of one source, with limits from its own schedule and objectives. */
export class SourceAlarms extends Construct {
  constructor(scope: Construct, id: string, props: SourceAlarmsProps) {
    super(scope, id);
    const { deployment, side, source, topic } = props;
    for (const rule of [...eventRules(source), ...ageRules(source, side.role), ...canaryRules(source)]) {
      new HoldfastAlarm(this, rule.kind, {
        deployment,
        region: side.region,
        topic,
        kind: rule.kind,
        source: source.id,
        metric: holdfastMetric(deployment, rule.metric, { source: source.id, statistic: rule.statistic }),
        threshold: rule.above,
        deepLink:
          rule.machine === 'canary'
            ? deepLinkToFunction(side.region, deployment.names.canaryFunction(source.id))
            : deepLinkToStateMachine(deployment, side.region, rule.machine),
        evaluationPeriods: rule.periods,
        silence: rule.silence,
      });
    }
  }
}

/** Something happened: in both Regions alike, for either may be the active one. */
function eventRules(source: SourcePlan): Rule[] {
  const happened = { statistic: 'Sum', above: 0 } as const;
  return [
    { kind: 'backup-failed', metric: metricNames.backupsFailedTotal, machine: 'backup', ...happened },
    {
      kind: 'backup-slow',
      metric: metricNames.backupDurationSeconds,
      statistic: 'Maximum',
      above: source.runTimeSeconds ?? assumedRunTimeSeconds,
      machine: 'backup',
    },
    {
      kind: 'backup-large',
      metric: metricNames.backupSizeBytes,
      statistic: 'Maximum',
      above: largeBytes,
      machine: 'backup',
    },
    { kind: 'replication-late', metric: metricNames.replicationLateTotal, machine: 'backup', ...happened },
    {
      kind: 'verification-failed',
      metric: metricNames.verificationFailedTotal,
      machine: 'backup',
      ...happened,
    },
    { kind: 'restore-failed', metric: metricNames.restoresFailedTotal, machine: 'restore', ...happened },
    { kind: 'restored-with-faults', metric: metricNames.restoreFaults, machine: 'restore', ...happened },
    {
      kind: 'restore-test-failed',
      metric: metricNames.restoreTestsFailedTotal,
      machine: 'restore-test',
      ...happened,
    },
  ];
}

/** In both Regions: the writer of the one that is not active runs too, writes nothing and says that all is well. */
function canaryRules({ canary }: SourcePlan): Rule[] {
  if (canary === undefined) return [];
  const metric = { metric: metricNames.canaryNotWritten, statistic: 'Maximum', machine: 'canary' } as const;
  // Every run missed in two intervals, at least twice: a database restarts now and then.
  const periods = Math.max(2, Math.ceil((2 * canary.everySeconds) / 300));
  return [{ kind: 'canary-not-written', ...metric, above: 0, periods, silence: 'bad' }];
}

/**
 * Something did not happen. In the primary Region two steps: late against the schedule, then against the objective. In the
 * standby one alarm from its own replica of the catalogue, which also sounds when there is no news: it must work when
 * everything in the primary Region, alarms included, is gone.
 */
function ageRules(source: SourcePlan, role: Side['role']): Rule[] {
  const age = {
    metric: metricNames.backupAgeHours,
    statistic: 'Maximum',
    machine: 'backup',
    periods: agePeriods,
  } as const;
  const rpoHours = source.objectives.rpoSeconds / 3600;
  if (role === 'standby') {
    return [{ kind: 'dead-man', ...age, above: rpoHours, silence: 'bad' }];
  }
  return [
    { kind: 'backup-overdue', ...age, above: overdueSeconds(source) / 3600, silence: 'unchanged' },
    { kind: 'backup-too-old', ...age, above: rpoHours, silence: 'bad' },
  ];
}

/**
 * The age at which a point is overdue: before it is too old, or the first of the two alarms would be the worse one. Half of
 * the room between the longest ordinary age and the RPO is left for acting. Where there is no such room the lead comes out
 * of the 15 minutes that the ordinary age grants to the copy, of which a copy takes a few in earnest.
 */
function overdueSeconds(source: SourcePlan): number {
  const runTime = source.runTimeSeconds ?? assumedRunTimeSeconds;
  const dueSeconds = worstLossSeconds(source.schedule.intervalSeconds, runTime);
  const { rpoSeconds } = source.objectives;
  const lead = Math.max(leastLeadSeconds, (rpoSeconds - dueSeconds) / 2);
  return Math.min(dueSeconds + overdueAfterSeconds, rpoSeconds - lead);
}
