import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { type AlarmKind, alarmKinds, runbookFile } from '../../core/plan/alarm-catalogue.ts';
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

/** Names of S3's calls in CloudTrail; they differ from those of the permissions, and some have had two. */
const bucketCalls = [
  'DeleteBucket',
  'DeleteBucketEncryption',
  'DeleteBucketLifecycle',
  'DeleteBucketOwnershipControls',
  'DeleteBucketPolicy',
  'DeleteBucketPublicAccessBlock',
  'DeleteBucketReplication',
  'PutBucketAcl',
  'PutBucketEncryption',
  'PutBucketLifecycle',
  'PutBucketLifecycleConfiguration',
  'PutBucketLogging',
  'PutBucketObjectLockConfiguration',
  'PutBucketOwnershipControls',
  'PutBucketPolicy',
  'PutBucketPublicAccessBlock',
  'PutBucketReplication',
  'PutBucketVersioning',
  'PutObjectLockConfiguration',
];

const keyCalls = [
  'DeleteAlias',
  'DisableKey',
  'PutKeyPolicy',
  'ScheduleKeyDeletion',
  'UpdateAlias',
  'UpdatePrimaryRegion',
];

/** The trail says of its own end as the last thing; whoever means harm begins there. */
const trailCalls = ['DeleteTrail', 'PutEventSelectors', 'StopLogging', 'UpdateTrail'];

/**
 * Tells on-call of every call that touches what protects the vault, also of those that were refused and of the two roles
 * that may: a deployment that nobody announced is as bad as a thief. EventBridge gets the calls from a CloudTrail trail with
 * management events; that is the account's, and `holdfast doctor` looks for it.
 */
export class TamperWatch extends Construct {
  constructor(scope: Construct, id: string, props: TamperWatchProps) {
    super(scope, id);
    const { deployment, side, keys } = props;
    this.#watch(props, 'vault-configuration-changed', {
      source: 's3.amazonaws.com',
      calls: bucketCalls,
      about: { requestParameters: { bucketName: [deployment.names.vaultBucket(side.region)] } },
    });
    // Any trail of the account, in the Region that is its home.
    this.#watch(props, 'trail-endangered', { source: 'cloudtrail.amazonaws.com', calls: trailCalls });
    const { vault, signing } = keys;
    this.#watch(props, 'key-endangered', {
      source: 'kms.amazonaws.com',
      calls: keyCalls,
      about: {
        $or: [
          // The calls name a key by id or by ARN, or only its alias.
          { requestParameters: { keyId: [vault, signing].flatMap((key) => [key.keyId, key.keyArn]) } },
          {
            requestParameters: {
              aliasName: [deployment.names.vaultKeyAlias, deployment.names.signingKeyAlias],
            },
          },
          // A refused call may come without its parameters.
          { errorMessage: [vault, signing].map((key) => ({ wildcard: `*${key.keyId}*` })) },
        ],
      },
    });
  }

  #watch(
    { deployment, side, topic }: TamperWatchProps,
    kind: AlarmKind,
    what: {
      readonly source: string;
      readonly calls: readonly string[];
      /** Further conditions on the event's detail. @default - none */
      readonly about?: Readonly<Record<string, unknown>>;
    },
  ): void {
    const rule = new events.Rule(this, kind, {
      ruleName: `${deployment.names.prefix}-${kind}`,
      description: alarmKinds[kind].says,
      eventPattern: {
        detailType: ['AWS API Call via CloudTrail'],
        detail: { eventSource: [what.source], eventName: what.calls, ...what.about },
      },
    });
    rule.addTarget(
      new targets.SnsTopic(topic, {
        message: events.RuleTargetInput.fromText(
          `${alarmKinds[kind].says} ${events.EventField.fromPath('$.detail.eventName')} by ${events.EventField.fromPath('$.detail.userIdentity.arn')} from ${events.EventField.fromPath('$.detail.sourceIPAddress')} at ${events.EventField.fromPath('$.detail.eventTime')}. Runbook: ${runbookFile}#${kind}`,
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
      deepLink: deepLinkToEventHistory(side.region, what.source),
    });
  }
}
