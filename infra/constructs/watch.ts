import * as targets from 'aws-cdk-lib/aws-events-targets';
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { watched } from '../../core/watch/watched.ts';
import type { Deployment, Side } from '../deployment.ts';
import { AlarmTopic } from './alarm-topic.ts';
import { deepLinkToBucket, deepLinkToQueue } from './deep-link.ts';
import { Heartbeat } from './heartbeat.ts';
import { HoldfastAlarm } from './holdfast-alarm.ts';
import type { HoldfastFunction } from './holdfast-function.ts';
import { SourceAlarms } from './source-alarms.ts';
import { TamperWatch } from './tamper-watch.ts';
import type { VaultKeys } from './vault-keys.ts';
import type { WatchedRegion } from './watched-region.ts';
import { watchedRule } from './watched-rule.ts';

export interface WatchProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
  /** Reports the age of each source's newest protected recovery point. */
  readonly deadMan: HoldfastFunction;
}

/** Everything that pages someone in one Region. */
export class Watch extends Construct {
  readonly topic: AlarmTopic;

  constructor(scope: Construct, id: string, props: WatchProps) {
    super(scope, id);
    const { deployment, side, keys } = props;
    const { plan, names, bootstrapQualifier } = deployment;
    this.topic = new AlarmTopic(this, 'Topic', { deployment, side });
    const about = watched({
      plan,
      region: side.region,
      keys: { ...keys, alarms: this.topic.key },
      bootstrapQualifier,
    });
    const region: WatchedRegion = { deployment, side, about, topic: this.topic.topic };
    const deadMan = watchedRule(this, 'DeadMan', {
      about,
      name: `${names.prefix}-dead-man`,
      description: 'Measures how old the newest protected recovery points are',
    });
    deadMan.addTarget(
      // A value that comes later than the next one is of no use.
      new targets.LambdaFunction(props.deadMan.function, {
        retryAttempts: 1,
        maxEventAge: Duration.minutes(5),
      }),
    );
    for (const { id: source } of plan.sources) new SourceAlarms(this, source, { ...region, source });
    new HoldfastAlarm(this, 'PeerDown', {
      ...region,
      kind: 'peer-down',
      deepLink: deepLinkToBucket(deployment, side.region, side.peerRegion),
    });
    new HoldfastAlarm(this, 'DeadLetters', {
      ...region,
      kind: 'schedule-not-delivered',
      deepLink: deepLinkToQueue(deployment, side.region),
    });
    new Heartbeat(this, 'Heartbeat', region);
    new TamperWatch(this, 'Tampering', region);
  }
}
