import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { type AlarmKind, alarmKinds, runbookFile } from '../../core/plan/alarm-catalogue.ts';
import { deepLinkToBucket, deepLinkToEventHistory } from './deep-link.ts';
import { HoldfastAlarm } from './holdfast-alarm.ts';
import { tamperRules, type TamperRulesProps } from './tamper-rules.ts';

export interface TamperWatchProps extends TamperRulesProps {
  readonly topic: sns.ITopic;
}

/**
 * Tells on-call of every call that touches what protects the vault or could silence this watch, also of those that were
 * refused: a deployment that nobody announced is as bad as a thief. EventBridge gets the calls from a CloudTrail trail with
 * management events; that is the account's, and `holdfast doctor` looks for it. Deleted objects S3 tells of by itself.
 */
export class TamperWatch extends Construct {
  constructor(scope: Construct, id: string, props: TamperWatchProps) {
    super(scope, id);
    const { deployment, side } = props;
    for (const { kind, eventSource, detail } of tamperRules(props)) {
      this.#watch(props, kind, {
        pattern: { detailType: ['AWS API Call via CloudTrail'], detail },
        says: `${field('eventName')} by ${field('userIdentity.arn')} from ${field('sourceIPAddress')} at ${field('eventTime')}.`,
        deepLink: deepLinkToEventHistory(side.region, eventSource),
      });
    }
    this.#watch(props, 'vault-object-deleted', {
      pattern: {
        source: ['aws.s3'],
        detailType: ['Object Deleted'],
        detail: { bucket: { name: [deployment.names.vaultBucket(side.region)] } },
      },
      says: `${field('deletion-type')}: ${field('object.key')} by ${field('requester')} from ${field('source-ip-address')}.`,
      deepLink: deepLinkToBucket(deployment, side.region, side.region),
    });
  }

  #watch(
    { deployment, side, topic }: TamperWatchProps,
    kind: AlarmKind,
    what: { readonly pattern: events.EventPattern; readonly says: string; readonly deepLink: string },
  ): void {
    const { says } = alarmKinds[kind];
    const rule = new events.Rule(this, kind, {
      ruleName: `${deployment.names.prefix}-${kind}`,
      description: says,
      eventPattern: what.pattern,
    });
    rule.addTarget(
      new targets.SnsTopic(topic, {
        message: events.RuleTargetInput.fromText(`${says} ${what.says} Runbook: ${runbookFile}#${kind}`),
      }),
    );
    new HoldfastAlarm(this, `${kind}-alarm`, {
      deployment,
      region: side.region,
      topic,
      kind,
      metric: new cloudwatch.Metric({
        namespace: 'AWS/Events',
        metricName: 'MatchedEvents',
        dimensionsMap: { RuleName: rule.ruleName },
        statistic: 'Sum',
        period: Duration.minutes(5),
      }),
      threshold: 0,
      deepLink: what.deepLink,
    });
  }
}

function field(name: string): string {
  return events.EventField.fromPath(`$.detail.${name}`);
}
