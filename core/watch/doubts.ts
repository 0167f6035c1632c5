import canonicalize from 'canonicalize';
import { type AlarmDefinition, alarmDefinitions } from './alarm-definitions.ts';
import { letsIn } from './lets-in.ts';
import { type RuleDefinition, ruleDefinitions } from './rule-definitions.ts';
import type { Watched } from './watched.ts';

/** An alarm as CloudWatch has it; what it lacks is missing. */
export interface AlarmSeen {
  readonly name: string;
  readonly actionsEnabled: boolean;
  readonly actions: readonly string[];
  readonly state: string;
  readonly namespace?: string;
  readonly metric?: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic?: string;
  readonly unit?: string;
  readonly periodSeconds?: number;
  readonly evaluationPeriods?: number;
  readonly comparison?: string;
  readonly threshold?: number;
  readonly missingData?: string;
}

export interface RuleSeen {
  readonly name: string;
  readonly state: string;
  /** As text, as EventBridge returns it. */
  readonly pattern?: string;
  readonly schedule?: string;
  /** ARNs. */
  readonly targets: readonly string[];
}

/** What is asked of the Region that is looked at. */
export interface WatchSeen {
  /** Every alarm whose name begins so. */
  alarms(prefix: string): Promise<readonly AlarmSeen[]>;
  /** Alarm mute rules that are active now, with the names of the alarms that they mute. */
  muteRules(): Promise<readonly { readonly name: string; readonly alarms: readonly string[] }[]>;
  /** Every rule whose name begins so. */
  rules(prefix: string): Promise<readonly RuleSeen[]>;
  /** `undefined` when there is none. */
  topic(topicArn: string): Promise<{ readonly keyId?: string; readonly policy?: string } | undefined>;
  /** `undefined` when there is none. */
  key(keyArn: string): Promise<{ readonly state: string; readonly policy?: string } | undefined>;
  /** Confirmed subscriptions of a topic. */
  listeners(topicArn: string): Promise<number>;
}

/** A reason why an alarm might not ring, or should be ringing. */
export interface Doubt {
  /** What a deployment puts right is about alarms, rules, the topic or its key. */
  readonly about: 'alarms' | 'mute rules' | 'rules' | 'topic' | 'key' | 'subscribers' | 'recovery points';
  /** Lower case, without an address or a secret. */
  readonly says: string;
}

/**
 * Everything because of which an alarm of one Region might not ring, or should be ringing: it holds what is there against
 * what the plan wants. No doubt means that all of it was seen; an answer that fails is thrown on.
 */
export async function doubtsAbout(about: Watched, seen: WatchSeen): Promise<Doubt[]> {
  const prefix = `${about.names.prefix}-`;
  const [alarms, muteRules, rules, topicDoubts, listeners] = await Promise.all([
    seen.alarms(prefix),
    seen.muteRules(),
    seen.rules(prefix),
    doubtsAboutTopic(about, seen),
    seen.listeners(about.topicArn),
  ]);
  const wanted = alarmDefinitions(about.plan, about.role);
  const muted = (name: string) => muteRules.filter((rule) => rule.alarms.includes(name));
  return [
    ...wanted.flatMap((alarm) => say('alarms', alarmDoubts(alarm, alarms, about.topicArn))),
    ...wanted.flatMap(({ name }) =>
      say(
        'mute rules',
        muted(name).map((rule) => `alarm ${name} is muted by ${rule.name}`),
      ),
    ),
    ...ruleDefinitions(about).flatMap((rule) => say('rules', ruleDoubts(rule, rules))),
    ...topicDoubts,
    ...say('subscribers', listeners > 0 ? [] : ['nobody is subscribed to the alarms']),
    ...say(
      'recovery points',
      wanted.flatMap((alarm) => ageDoubts(alarm, alarms)),
    ),
  ];
}

function say(about: Doubt['about'], sayings: readonly string[]): Doubt[] {
  return sayings.map((says) => ({ about, says }));
}

function alarmDoubts(wanted: AlarmDefinition, alarms: readonly AlarmSeen[], topic: string): string[] {
  const { name } = wanted;
  const alarm = alarms.find((one) => one.name === name);
  if (alarm === undefined) return [`alarm ${name} is missing`];
  if (!alarm.actionsEnabled) return [`alarm ${name} has its actions disabled`];
  if (!alarm.actions.includes(topic)) return [`alarm ${name} does not tell the topic`];
  const pairs: readonly (readonly [what: string, is: unknown, wanted: unknown])[] = [
    ['namespace', alarm.namespace, wanted.namespace],
    ['metric', alarm.metric, wanted.metric],
    ['dimensions', canonicalize(alarm.dimensions), canonicalize(wanted.dimensions)],
    ['statistic', alarm.statistic, wanted.statistic],
    // A unit makes CloudWatch leave out every value that has another.
    ['unit', alarm.unit, undefined],
    ['period', alarm.periodSeconds, wanted.periodSeconds],
    ['number of periods', alarm.evaluationPeriods, wanted.evaluationPeriods],
    ['comparison', alarm.comparison, 'GreaterThanThreshold'],
    ['threshold', alarm.threshold, wanted.threshold],
    ['missing data', alarm.missingData, wanted.missingData],
  ];
  const wrong = pairs.filter(([, is, want]) => !isSame(is, want));
  if (wrong.length === 0) return [];
  const differences = wrong.map(([what, is, want]) => `${what} ${shown(is)} instead of ${shown(want)}`);
  return [`alarm ${name} was changed: ${differences.join(', ')}`];
}

/** A threshold comes back through CloudFormation and XML, where its last digit may get lost. */
function isSame(is: unknown, wanted: unknown): boolean {
  return typeof is === 'number' && typeof wanted === 'number'
    ? Math.abs(is - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted))
    : is === wanted;
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : String(value);
}

function ruleDoubts(wanted: RuleDefinition, rules: readonly RuleSeen[]): string[] {
  const { name, state, pattern, schedule, target } = wanted;
  const rule = rules.find((one) => one.name === name);
  if (rule === undefined) return [`rule ${name} is missing`];
  if (rule.state === 'DISABLED') return [`rule ${name} is disabled`];
  // The other way round it hears more than it needs.
  const deaf = state !== 'ENABLED' && rule.state !== state;
  return [
    ...(deaf ? [`rule ${name} is ${rule.state} instead of ${state}`] : []),
    ...(isPattern(rule.pattern, pattern) ? [] : [`rule ${name} listens for something else`]),
    ...(rule.schedule === schedule
      ? []
      : [`rule ${name} acts at ${shown(rule.schedule)} instead of ${shown(schedule)}`]),
    ...(rule.targets.includes(target) ? [] : [`rule ${name} does not have ${target} as its target`]),
  ];
}

function isPattern(is: string | undefined, wanted: RuleDefinition['pattern']): boolean {
  if (is === undefined || wanted === undefined) return is === wanted;
  try {
    return canonicalize(JSON.parse(is)) === canonicalize(wanted);
  } catch {
    return false;
  }
}

/** Who publishes: CloudWatch for alarms, EventBridge for the calls that are told of by themselves. */
const publishers = ['cloudwatch.amazonaws.com', 'events.amazonaws.com'];

/** A topic under another key, or under one that is closed, takes messages without an error and delivers none. */
async function doubtsAboutTopic(about: Watched, seen: WatchSeen): Promise<Doubt[]> {
  const { topicArn, keys, plan } = about;
  const { keyId, keyArn } = keys.alarms;
  const [topic, key] = await Promise.all([seen.topic(topicArn), seen.key(keyArn)]);
  const shutOut = (policy: string | undefined, actions: readonly string[]) =>
    publishers.filter((service) => !letsIn(policy, { service, account: plan.account }, actions));
  const ofTopic =
    topic === undefined
      ? [`topic ${topicArn} is missing`]
      : [
          ...([keyId, keyArn].includes(topic.keyId ?? '')
            ? []
            : [`the topic is encrypted with ${shown(topic.keyId)} instead of ${keyArn}`]),
          ...shutOut(topic.policy, ['sns:Publish']).map((one) => `the topic does not let ${one} in`),
        ];
  const ofKey =
    key === undefined
      ? [`key ${keyArn} of the topic is missing`]
      : [
          ...(key.state === 'Enabled' ? [] : [`key ${keyArn} of the topic is ${key.state}`]),
          ...shutOut(key.policy, ['kms:Decrypt', 'kms:GenerateDataKey']).map(
            (one) => `the key of the topic does not let ${one} in`,
          ),
        ];
  return [...say('topic', ofTopic), ...say('key', ofKey)];
}

/** The alarm on the RPO measures the age; that it still does is among the doubts about alarms. */
function ageDoubts({ kind, name, source }: AlarmDefinition, alarms: readonly AlarmSeen[]): string[] {
  if (kind !== 'backup-too-old' && kind !== 'dead-man') return [];
  const alarm = alarms.find((one) => one.name === name);
  if (alarm === undefined || alarm.state === 'OK') return [];
  return [`no protected recovery point of ${source} within the RPO: ${name} is ${alarm.state}`];
}
