import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Construct } from 'constructs';
import { type AlarmKind, alarmKinds, runbookFile } from '../../core/plan/alarm-catalogue.ts';
import { alarmDefinitions } from '../../core/watch/alarm-definitions.ts';
import type { WatchedRegion } from './watched-region.ts';

const missingData = {
  notBreaching: cloudwatch.TreatMissingData.NOT_BREACHING,
  breaching: cloudwatch.TreatMissingData.BREACHING,
  ignore: cloudwatch.TreatMissingData.IGNORE,
};

export interface HoldfastAlarmProps extends WatchedRegion {
  readonly kind: AlarmKind;
  /** Source that the alarm is about. @default - the whole plan */
  readonly source?: string;
  /** Where in the AWS console an investigation starts: what follows `https://<region>.console.aws.amazon.com/`. */
  readonly deepLink: string;
}

/** An alarm that says what it means, where to look, and what to do: its name, a deep link, a section of the runbook. */
export class HoldfastAlarm extends Construct {
  readonly alarm: cloudwatch.Alarm;

  constructor(scope: Construct, id: string, props: HoldfastAlarmProps) {
    super(scope, id);
    const { about, kind, source, side } = props;
    const { says, tells } = alarmKinds[kind];
    const definition = alarmDefinitions(about.plan, about.role).find(
      (one) => one.kind === kind && one.source === source,
    );
    if (definition === undefined) throw new Error(`no alarm ${kind} is defined in ${side.region}`);
    this.alarm = new cloudwatch.Alarm(this, 'Alarm', {
      alarmName: definition.name,
      alarmDescription: [
        says,
        ...(source === undefined ? [] : [`Source: ${source}.`]),
        `Runbook: ${runbookFile}#${kind}`,
        `Console: https://${side.region}.console.aws.amazon.com/${props.deepLink}`,
        ...(tells === 'event'
          ? ['This tells of an event and never of its end: close it by hand when the runbook is done.']
          : []),
      ].join('\n'),
      metric: new cloudwatch.Metric({
        namespace: definition.namespace,
        metricName: definition.metric,
        dimensionsMap: { ...definition.dimensions },
        statistic: definition.statistic,
        period: Duration.seconds(definition.periodSeconds),
      }),
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      threshold: definition.threshold,
      evaluationPeriods: definition.evaluationPeriods,
      treatMissingData: missingData[definition.missingData],
    });
    const notify = new actions.SnsAction(props.topic);
    this.alarm.addAlarmAction(notify);
    if (tells === 'state') this.alarm.addOkAction(notify);
  }
}
