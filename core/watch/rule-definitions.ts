import { heartbeatsOf } from '../plan/alarm-catalogue.ts';
import type { LambdaName } from '../plan/names.ts';
import { type EventPattern, type RuleState, tamperRules } from './tamper-rules.ts';
import type { Watched } from './watched.ts';

/** One EventBridge rule as it must be. */
export interface RuleDefinition {
  readonly name: string;
  readonly state: RuleState;
  /** What it listens for. Missing: it acts on a schedule. */
  readonly pattern?: EventPattern;
  /** As EventBridge writes it: `rate(5 minutes)`. */
  readonly schedule?: string;
  /** ARN of what it starts or tells. */
  readonly target: string;
}

/** Every rule of one Region: what alarms listen to, and what starts the functions that watch. */
export function ruleDefinitions(about: Watched): RuleDefinition[] {
  const { names } = about;
  return [
    ...tamperRules(about).map(({ kind, state, pattern }) => ({
      name: `${names.prefix}-${kind}`,
      state,
      pattern,
      target: about.topicArn,
    })),
    scheduled(about, `${names.prefix}-dead-man`, { every: 300, lambda: 'dead-man' }),
    ...heartbeatsOf(about.plan).map(({ ruleName, heartbeat }) =>
      scheduled(about, ruleName, { every: heartbeat.everySeconds, lambda: 'heartbeat' }),
    ),
  ];
}

function scheduled(
  { plan, region, names }: Watched,
  name: string,
  what: { readonly every: number; readonly lambda: LambdaName },
): RuleDefinition {
  return {
    name,
    state: 'ENABLED',
    schedule: rateOf(what.every),
    target: `arn:aws:lambda:${region}:${plan.account}:function:${names.lambda(what.lambda)}`,
  };
}

/** Whole minutes, more than one. */
export function rateOf(seconds: number): string {
  return `rate(${seconds / 60} minutes)`;
}
