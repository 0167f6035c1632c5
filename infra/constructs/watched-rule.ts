import * as events from 'aws-cdk-lib/aws-events';
import type { Construct } from 'constructs';
import { ruleDefinitions } from '../../core/watch/rule-definitions.ts';
import type { Watched } from '../../core/watch/watched.ts';

export interface WatchedRuleProps {
  readonly about: Watched;
  readonly name: string;
  readonly description: string;
}

/** A rule as its definition wants it; its target is the caller's to add. */
export function watchedRule(scope: Construct, id: string, props: WatchedRuleProps): events.Rule {
  const { about, name, description } = props;
  const definition = ruleDefinitions(about).find((one) => one.name === name);
  if (definition === undefined) throw new Error(`no rule ${name} is defined`);
  const { pattern, schedule, state } = definition;
  const rule = new events.Rule(scope, id, {
    ruleName: name,
    description,
    ...(schedule !== undefined && { schedule: events.Schedule.expression(schedule) }),
    ...(pattern !== undefined && {
      eventPattern: {
        ...(pattern['source'] !== undefined && { source: pattern['source'] }),
        detailType: pattern['detail-type'],
        detail: pattern['detail'],
      } as events.EventPattern,
    }),
  });
  (rule.node.defaultChild as events.CfnRule).state = state;
  return rule;
}
