import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import { type AlarmKind, alarmKinds, runbookFile } from '../../core/plan/alarm-catalogue.ts';
import { tamperRules } from '../../core/watch/tamper-rules.ts';
import { deepLinkToBucket, deepLinkToEventHistory } from './deep-link.ts';
import { HoldfastAlarm } from './holdfast-alarm.ts';
import { watchedRule } from './watched-rule.ts';
import type { WatchedRegion } from './watched-region.ts';

type TamperKind = ReturnType<typeof tamperRules>[number]['kind'];

/** Service whose event history an investigation opens. */
const historyOf: { readonly [K in AlarmKind]?: string } = {
  'vault-configuration-changed': 's3',
  'key-endangered': 'kms',
  'trail-endangered': 'cloudtrail',
  'watch-endangered': 'monitoring',
  'topic-endangered': 'sns',
  'jobs-changed': 'states',
  'roles-changed': 'iam',
  'exempt-role-used': 'sts',
};

/**
 * Tells on-call of every call that touches what protects the vault or could silence this watch, also of those that were
 * refused: a deployment that nobody announced is as bad as a thief. EventBridge gets the calls from a CloudTrail trail with
 * management events; that is the account's, and `holdfast doctor` looks for it. Deleted objects S3 tells of by itself.
 */
export class TamperWatch extends Construct {
  constructor(scope: Construct, id: string, props: WatchedRegion) {
    super(scope, id);
    for (const { kind } of tamperRules(props.about)) this.#watch(props, kind);
  }

  #watch(props: WatchedRegion, kind: TamperKind): void {
    const { deployment, side, topic, about } = props;
    const { says } = alarmKinds[kind];
    const history = historyOf[kind];
    const tells =
      history === undefined
        ? `${field('deletion-type')}: ${field('object.key')} by ${field('requester')} from ${field('source-ip-address')}.`
        : `${field('eventName')} by ${field('userIdentity.arn')} from ${field('sourceIPAddress')} at ${field('eventTime')}.`;
    const rule = watchedRule(this, kind, {
      about,
      name: `${deployment.names.prefix}-${kind}`,
      description: says,
    });
    rule.addTarget(
      new targets.SnsTopic(topic, {
        message: events.RuleTargetInput.fromText(`${says} ${tells} Runbook: ${runbookFile}#${kind}`),
      }),
    );
    new HoldfastAlarm(this, `${kind}-alarm`, {
      ...props,
      kind,
      deepLink:
        history === undefined
          ? deepLinkToBucket(deployment, side.region, side.region)
          : deepLinkToEventHistory(side.region, `${history}.amazonaws.com`),
    });
  }
}

function field(name: string): string {
  return events.EventField.fromPath(`$.detail.${name}`);
}
