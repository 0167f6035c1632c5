import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { metricDimensions, type MetricName, metricNamespace } from '../../core/jobs/metrics.ts';
import { type AlarmKind, alarmKinds, alarmName, runbookFile } from '../../core/plan/alarm-catalogue.ts';
import type { Deployment } from '../deployment.ts';

export interface HoldfastAlarmProps {
  readonly deployment: Deployment;
  readonly region: string;
  readonly topic: sns.ITopic;
  readonly kind: AlarmKind;
  /** Source that the alarm is about. @default - the whole plan */
  readonly source?: string;
  readonly metric: cloudwatch.IMetric;
  /** Breaches above this. */
  readonly threshold: number;
  /** Where in the AWS console an investigation starts: what follows `https://<region>.console.aws.amazon.com/`. */
  readonly deepLink: string;
  /** @default 1 */
  readonly evaluationPeriods?: number;
  /** What silence means: nothing wrong, something wrong, or nothing at all (the state stays as it was). @default good */
  readonly silence?: 'good' | 'bad' | 'unchanged';
}

const missingData = {
  good: cloudwatch.TreatMissingData.NOT_BREACHING,
  bad: cloudwatch.TreatMissingData.BREACHING,
  unchanged: cloudwatch.TreatMissingData.IGNORE,
};

/** An alarm that says what it means, where to look, and what to do: its name, a deep link, a section of the runbook. */
export class HoldfastAlarm extends Construct {
  readonly alarm: cloudwatch.Alarm;

  constructor(scope: Construct, id: string, props: HoldfastAlarmProps) {
    super(scope, id);
    const { deployment, kind, source, region } = props;
    const { says, tells } = alarmKinds[kind];
    this.alarm = new cloudwatch.Alarm(this, 'Alarm', {
      alarmName: alarmName(deployment.plan, kind, source),
      alarmDescription: [
        says,
        ...(source === undefined ? [] : [`Source: ${source}.`]),
        `Runbook: ${runbookFile}#${kind}`,
        `Console: https://${region}.console.aws.amazon.com/${props.deepLink}`,
        ...(tells === 'event'
          ? ['This tells of an event and never of its end: close it by hand when the runbook is done.']
          : []),
      ].join('\n'),
      metric: props.metric,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: props.threshold,
      evaluationPeriods: props.evaluationPeriods ?? 1,
      treatMissingData: missingData[props.silence ?? 'good'],
    });
    const notify = new actions.SnsAction(props.topic);
    this.alarm.addAlarmAction(notify);
    if (tells === 'state') this.alarm.addOkAction(notify);
  }
}

/** One of our own metrics, over five minutes. */
export function holdfastMetric(
  deployment: Deployment,
  metricName: MetricName,
  options: { readonly source?: string; readonly statistic: 'Maximum' | 'Sum' },
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: metricNamespace,
    metricName,
    dimensionsMap: {
      [metricDimensions.plan]: deployment.plan.name,
      ...(options.source !== undefined && { [metricDimensions.source]: options.source }),
    },
    statistic: options.statistic,
    period: Duration.minutes(5),
  });
}
