import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { metricNames } from '../../core/jobs/metrics.ts';
import type { Deployment, Side } from '../deployment.ts';
import { AlarmTopic } from './alarm-topic.ts';
import { deepLinkToBucket, deepLinkToQueue } from './deep-link.ts';
import { Heartbeat } from './heartbeat.ts';
import { HoldfastAlarm, holdfastMetric } from './holdfast-alarm.ts';
import type { HoldfastFunction } from './holdfast-function.ts';
import { SourceAlarms } from './source-alarms.ts';
import { TamperWatch } from './tamper-watch.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface WatchProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
  /** Reports the age of each source's newest protected recovery point. */
  readonly deadMan: HoldfastFunction;
  readonly deadLetterQueue: sqs.IQueue;
}

/** Everything that pages someone in one Region. */
export class Watch extends Construct {
  readonly topic: AlarmTopic;

  constructor(scope: Construct, id: string, props: WatchProps) {
    super(scope, id);
    const { deployment, side, keys } = props;
    this.topic = new AlarmTopic(this, 'Topic', { deployment });
    const { topic } = this.topic;
    new events.Rule(this, 'DeadMan', {
      ruleName: `${deployment.names.prefix}-dead-man`,
      description: 'Measures how old the newest protected recovery points are',
      schedule: events.Schedule.rate(Duration.minutes(5)),
      targets: [
        // A value that comes later than the next one is of no use.
        new targets.LambdaFunction(props.deadMan.function, {
          retryAttempts: 1,
          maxEventAge: Duration.minutes(5),
        }),
      ],
    });
    for (const source of deployment.plan.sources) {
      new SourceAlarms(this, source.id, { deployment, side, source, topic });
    }
    const shared = { deployment, region: side.region, topic };
    new HoldfastAlarm(this, 'PeerDown', {
      ...shared,
      kind: 'peer-down',
      metric: holdfastMetric(deployment, metricNames.peerDown, { statistic: 'Maximum' }),
      threshold: 0,
      // Only a copy check reports, hours apart: until the next one nobody knows of an end of the outage.
      silence: 'unchanged',
      deepLink: deepLinkToBucket(deployment, side.region, side.peerRegion),
    });
    new HoldfastAlarm(this, 'DeadLetters', {
      ...shared,
      kind: 'schedule-not-delivered',
      metric: props.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(5),
      }),
      threshold: 0,
      deepLink: deepLinkToQueue(deployment, side.region),
    });
    new Heartbeat(this, 'Heartbeat', { deployment, side, topic });
    new TamperWatch(this, 'Tampering', { deployment, side, keys, topic });
  }
}
