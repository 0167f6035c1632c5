import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { HeartbeatEnvironment } from '../../core/jobs/settings.ts';
import { heartbeatsOf } from '../../core/plan/alarm-catalogue.ts';
import { acknowledge } from './acknowledgements.ts';
import { deepLinkToFunction } from './deep-link.ts';
import { HoldfastAlarm } from './holdfast-alarm.ts';
import { HoldfastFunction } from './holdfast-function.ts';
import { planEnvironment } from './runtime-environment.ts';
import { grantSecrets } from './secret-access.ts';
import type { WatchedRegion } from './watched-region.ts';
import { watchedRule } from './watched-rule.ts';

/**
 * Calls an address outside the account while everything that would ring here is in place. It runs outside any VPC, which
 * is how a function reaches the internet without more.
 */
export class Heartbeat extends Construct {
  constructor(scope: Construct, id: string, props: WatchedRegion) {
    super(scope, id);
    const { deployment, side, about } = props;
    const heartbeats = heartbeatsOf(deployment.plan);
    if (heartbeats.length === 0) return;
    const environment: HeartbeatEnvironment = {
      ...planEnvironment(deployment, side),
      HOLDFAST_VAULT_KEY_ARN: about.keys.vault.keyArn,
      HOLDFAST_SIGNING_KEY_ARN: about.keys.signing.keyArn,
      HOLDFAST_ALARM_KEY_ARN: about.keys.alarms.keyArn,
      HOLDFAST_BOOTSTRAP_QUALIFIER: deployment.bootstrapQualifier,
    };
    const fn = new HoldfastFunction(this, 'heartbeat', {
      deployment,
      bundle: 'heartbeat',
      functionName: deployment.names.lambda('heartbeat'),
      description: 'Tells an address outside the account that alarms and recovery points are in order',
      environment,
      staleAfter: Duration.minutes(5),
    });
    this.#allow(props, fn);
    grantSecrets(
      fn.role,
      { deployment, side },
      heartbeats.flatMap(({ heartbeat: { secret } }) =>
        secret === undefined ? [] : [{ connection: { secret } }],
      ),
    );
    for (const { channel, ruleName } of heartbeats) {
      const rule = watchedRule(this, channel, {
        about,
        name: ruleName,
        description: `Sends the heartbeat of ${channel}`,
      });
      rule.addTarget(
        new targets.LambdaFunction(fn.function, {
          event: events.RuleTargetInput.fromObject({ channel }),
          retryAttempts: 1,
          maxEventAge: Duration.minutes(5),
        }),
      );
    }
    new HoldfastAlarm(this, 'Missing', {
      ...props,
      kind: 'heartbeat-missing',
      deepLink: deepLinkToFunction(side.region, deployment.names.lambda('heartbeat')),
    });
  }

  /** To look at what would ring: reading alone, by the prefix of the plan's names where the service knows one. */
  #allow({ deployment, side, topic, about }: WatchedRegion, fn: HoldfastFunction): void {
    const arn = (service: string, what: string) =>
      `arn:aws:${service}:${side.region}:${deployment.plan.account}:${what}`;
    const [alarms, allRules, rules] = [
      arn('cloudwatch', 'alarm:*'),
      arn('events', 'rule/*'),
      arn('events', `rule/${deployment.names.prefix}-*`),
    ];
    const allow = (actions: string[], resources: string[]) =>
      fn.role.addToPolicy(new iam.PolicyStatement({ actions, resources }));
    allow(['cloudwatch:DescribeAlarms'], [alarms]);
    allow(['events:ListRules'], [allRules]);
    allow(['events:ListTargetsByRule'], [rules]);
    allow(['sns:GetTopicAttributes', 'sns:ListSubscriptionsByTopic'], [topic.topicArn]);
    allow(['kms:DescribeKey', 'kms:GetKeyPolicy'], [about.keys.alarms.keyArn]);
    allow(['cloudwatch:GetAlarmMuteRule', 'cloudwatch:ListAlarmMuteRules'], ['*']);
    acknowledge(
      fn.role,
      'AwsSolutions-IAM5[Resource::*]',
      'AWS documents two forms of the ARN of a mute rule; listing and reading them changes nothing.',
    );
    for (const resource of [alarms, allRules])
      acknowledge(
        fn.role,
        `AwsSolutions-IAM5[Resource::${resource}]`,
        'Listing by prefix is asked of all alarms and rules of the Region; it reads and changes nothing.',
      );
    acknowledge(
      fn.role,
      `AwsSolutions-IAM5[Resource::${rules}]`,
      'The rules of this deployment, by the prefix of its names.',
    );
  }
}
