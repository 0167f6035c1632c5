import { metricDimensions, type MetricName, metricNames, metricNamespace } from '../jobs/metrics.ts';
import {
  type AlarmFacts,
  type AlarmKind,
  alarmKinds,
  alarmName,
  heartbeatsOf,
} from '../plan/alarm-catalogue.ts';
import { deploymentNames } from '../plan/names.ts';
import { assumedRunTimeSeconds, worstLossSeconds } from '../plan/objectives.ts';
import type { Plan, SourcePlan } from '../plan/plan.ts';

type Statistic = 'Maximum' | 'Sum';
/** What silence means, in CloudWatch's words: nothing wrong, something wrong, or nothing at all (the state stays as it was). */
type MissingData = 'notBreaching' | 'breaching' | 'ignore';

/**
 * One alarm as it must be. The app makes alarms of these and whoever looks after them compares with these, so what is
 * deployed and what is looked for cannot drift apart. Each breaches above its threshold.
 */
export interface AlarmDefinition {
  readonly kind: AlarmKind;
  readonly name: string;
  /** The source that it is about. Missing: the whole plan. */
  readonly source?: string;
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: Statistic;
  readonly periodSeconds: number;
  readonly evaluationPeriods: number;
  readonly threshold: number;
  readonly missingData: MissingData;
}

/** What an alarm measures; what is left out is as most alarms have it. */
interface Measure {
  readonly metric:
    | MetricName
    | { readonly namespace: string; readonly name: string; readonly of: Readonly<Record<string, string>> };
  readonly statistic: Statistic;
  readonly above: number;
  /** @default 300 */
  readonly periodSeconds?: number;
  /** @default 1 */
  readonly periods?: number;
  /** @default notBreaching */
  readonly missing?: MissingData;
}

/** What is late counts as overdue after this, or earlier where the RPO is near. */
const overdueAfterSeconds = 2 * 3600;
/** Two reports of the dead man: overdue rings at least this long before too old. */
const leastLeadSeconds = 10 * 60;
/** Larger than this deserves a look: time and price grow with it. */
const largeBytes = 100e9;
/** The dead man reports every five minutes; three values in a row are no accident. */
const agePeriods = 3;

/** Something happened: in both Regions alike, for either may be the active one. */
const happened = (metric: MetricName) => (): Measure => ({ metric, statistic: 'Sum', above: 0 });

const measuresOfSource = {
  'backup-failed': happened(metricNames.backupsFailedTotal),
  'backup-slow': ({ runTimeSeconds }) => ({
    metric: metricNames.backupDurationSeconds,
    statistic: 'Maximum',
    above: runTimeSeconds ?? assumedRunTimeSeconds,
  }),
  'backup-large': () => ({ metric: metricNames.backupSizeBytes, statistic: 'Maximum', above: largeBytes }),
  'replication-late': happened(metricNames.replicationLateTotal),
  'verification-failed': happened(metricNames.verificationFailedTotal),
  'restore-failed': happened(metricNames.restoresFailedTotal),
  'restored-with-faults': happened(metricNames.restoreFaults),
  'restore-test-failed': happened(metricNames.restoreTestsFailedTotal),
  // Something did not happen. In the primary Region two steps: late against the schedule, then against the objective.
  'backup-overdue': (source) => ({ ...age(overdueSeconds(source)), missing: 'ignore' }),
  'backup-too-old': ({ objectives }) => age(objectives.rpoSeconds),
  // In the standby one alarm from its own vault, which also sounds when there is no news: it must work when everything in
  // the primary Region, alarms included, is gone.
  'dead-man': ({ objectives }) => age(objectives.rpoSeconds),
  // In both Regions: the writer of the one that is not active runs too, writes nothing and says that all is well.
  'canary-not-written': ({ canary }) => ({
    metric: metricNames.canaryNotWritten,
    statistic: 'Maximum',
    above: 0,
    // Every run missed in two intervals, at least twice: a database restarts now and then.
    periods: Math.max(2, Math.ceil((2 * (canary?.everySeconds ?? 0)) / 300)),
    missing: 'breaching',
  }),
} satisfies Partial<Record<AlarmKind, (source: SourcePlan) => Measure>>;

/** An age in hours, which no news breaches. */
function age(seconds: number): Measure {
  const metric = metricNames.backupAgeHours;
  return { metric, statistic: 'Maximum', above: seconds / 3600, periods: agePeriods, missing: 'breaching' };
}

const measuresOfPlan = {
  // Only a copy check reports, hours apart: until the next one nobody knows of an end of the outage.
  'peer-down': () => ({ metric: metricNames.peerDown, statistic: 'Maximum', above: 0, missing: 'ignore' }),
  'schedule-not-delivered': (plan) => ({
    metric: {
      namespace: 'AWS/SQS',
      name: 'ApproximateNumberOfMessagesVisible',
      of: { QueueName: deploymentNames(plan).scheduleDeadLetterQueue },
    },
    statistic: 'Maximum',
    above: 0,
  }),
  'heartbeat-missing': (plan) => ({
    metric: metricNames.heartbeatMissing,
    statistic: 'Maximum',
    above: 0,
    periodSeconds: Math.max(...heartbeatsOf(plan).map(({ heartbeat }) => heartbeat.everySeconds)),
    periods: 2,
    missing: 'breaching',
  }),
} satisfies Partial<Record<AlarmKind, (plan: Plan) => Measure>>;

/** Calls that match an EventBridge rule of the alarm's name. */
function matched(ruleName: string): Measure {
  const metric = { namespace: 'AWS/Events', name: 'MatchedEvents', of: { RuleName: ruleName } };
  return { metric, statistic: 'Sum', above: 0 };
}

/** Every alarm that a plan has in one Region, whether or not it is there. */
export function alarmDefinitions(plan: Plan, role: 'primary' | 'standby'): AlarmDefinition[] {
  return Object.entries<AlarmFacts>(alarmKinds)
    .filter(([, { only = role, when }]) => only === role && when?.(plan) !== false)
    .flatMap(([kind, { per, sources }]) => {
      if (per === 'plan') return [definitionOf(plan, kind as AlarmKind)];
      return plan.sources
        .filter((source) => sources?.(source) !== false)
        .map((source) => definitionOf(plan, kind as AlarmKind, source));
    });
}

function definitionOf(plan: Plan, kind: AlarmKind, source?: SourcePlan): AlarmDefinition {
  const name = alarmName(plan, kind, source?.id);
  const { metric, statistic, above, periodSeconds, periods, missing } = measureOf(plan, kind, source);
  const ours = {
    namespace: metricNamespace,
    metric: metric as string,
    dimensions: {
      [metricDimensions.plan]: plan.name,
      ...(source !== undefined && { [metricDimensions.source]: source.id }),
    },
  };
  return {
    kind,
    name,
    ...(source !== undefined && { source: source.id }),
    ...(typeof metric === 'string'
      ? ours
      : { namespace: metric.namespace, metric: metric.name, dimensions: metric.of }),
    statistic,
    periodSeconds: periodSeconds ?? 300,
    evaluationPeriods: periods ?? 1,
    threshold: above,
    missingData: missing ?? 'notBreaching',
  };
}

function measureOf(plan: Plan, kind: AlarmKind, source?: SourcePlan): Measure {
  if (kind in measuresOfSource && source !== undefined)
    return measuresOfSource[kind as keyof typeof measuresOfSource](source);
  if (kind in measuresOfPlan) return measuresOfPlan[kind as keyof typeof measuresOfPlan](plan);
  return matched(alarmName(plan, kind));
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
