import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { AlarmKind } from '../alarm-catalogue.ts';
import { alarmKinds, runbookFile } from '../alarm-catalogue.ts';
import type { Deployment, Side } from '../deployment.ts';
import { deepLinkToEventHistory } from './deep-link.ts';
import { HoldfastAlarm } from './holdfast-alarm.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface TamperWatchProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
  readonly topic: sns.ITopic;
}

/** Names of S3's calls in CloudTrail; they differ from those of the permissions. */
const bucketCalls = [
  'DeleteBucket',
  'DeleteBucketLifecycle',
  'DeleteBucketPolicy',
  'DeleteBucketReplication',
  'PutBucketAcl',
  'PutBucketEncryption',
  'PutBucketLifecycle',
  'PutBucketObjectLockConfiguration',
  'PutBucketPolicy',
  'PutBucketPublicAccessBlock',
  'PutBucketReplication',
  'PutBucketVersioning',
];

const keyCalls = ['DeleteAlias', 'DisableKey', 'PutKeyPolicy', 'ScheduleKeyDeletion', 'UpdatePrimaryRegion'];

/**
 * Tells on-call of every call that touches what protects the vault, also of those that were refused and of the two roles
 * that may: a deployment that nobody announced is as bad as a thief. Needs a CloudTrail trail with management events in
 * the account; EventBridge gets them from there.
 */
export class TamperWatch extends Construct {
  constructor(scope: Construct, id: string, props: TamperWatchProps) {
    super(scope, id);
    const { deployment, side, keys } = props;
    this.#watch(props, 'vault-configuration-changed', {
      source: 's3.amazonaws.com',
      eventName: bucketCalls,
      requestParameters: { bucketName: [deployment.names.vaultBucket(side.region)] },
    });
    this.#watch(props, 'key-endangered', {
      source: 'kms.amazonaws.com',
      eventName: keyCalls,
      // The calls name a key by id or by ARN.
      requestParameters: {
        keyId: Object.values({ vault: keys.vault, signing: keys.signing }).flatMap((key) => [
          key.keyId,
          key.keyArn,
        ]),
      },
    });
  }

  #watch(
    { deployment, side, topic }: TamperWatchProps,
    kind: AlarmKind,
    detail: {
      readonly source: string;
      readonly eventName: readonly string[];
      readonly requestParameters: Readonly<Record<string, readonly string[]>>;
    },
  ): void {
    const rule = new events.Rule(this, kind, {
      ruleName: `${deployment.names.prefix}-${kind}`,
      description: alarmKinds[kind],
      eventPattern: {
        detailType: ['AWS API Call via CloudTrail'],
        detail: {
          eventSource: [detail.source],
          eventName: detail.eventName,
          requestParameters: detail.requestParameters,
        },
      },
    });
    rule.addTarget(
      new targets.SnsTopic(topic, {
        message: events.RuleTargetInput.fromText(
          `${alarmKinds[kind]} ${events.EventField.fromPath('$.detail.eventName')} by ${events.EventField.fromPath('$.detail.userIdentity.arn')} from ${events.EventField.fromPath('$.detail.sourceIPAddress')} at ${events.EventField.fromPath('$.detail.eventTime')}. Runbook: ${runbookFile}#${kind}`,
        ),
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
      deepLink: deepLinkToEventHistory(side.region, detail.source),
    });
  }
}
