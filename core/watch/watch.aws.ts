import {
  type CloudWatchClient,
  GetAlarmMuteRuleCommand,
  type MetricAlarm,
  paginateDescribeAlarms,
  paginateListAlarmMuteRules,
} from '@aws-sdk/client-cloudwatch';
import {
  type EventBridgeClient,
  ListRulesCommand,
  type ListRulesCommandOutput,
  ListTargetsByRuleCommand,
  type Rule,
} from '@aws-sdk/client-eventbridge';
import { DescribeKeyCommand, GetKeyPolicyCommand, type KMSClient } from '@aws-sdk/client-kms';
import {
  GetTopicAttributesCommand,
  paginateListSubscriptionsByTopic,
  type SNSClient,
} from '@aws-sdk/client-sns';
import type { AlarmSeen, RuleSeen, WatchSeen } from './doubts.ts';

export interface WatchClients {
  readonly cloudWatch: CloudWatchClient;
  readonly eventBridge: EventBridgeClient;
  readonly kms: KMSClient;
  readonly sns: SNSClient;
}

/**
 * What the services of the clients' Region say. It takes `cloudwatch:DescribeAlarms`, `ListAlarmMuteRules` and
 * `GetAlarmMuteRule`, `events:ListRules` and `ListTargetsByRule`, `kms:DescribeKey` and `GetKeyPolicy`,
 * `sns:GetTopicAttributes` and `ListSubscriptionsByTopic`.
 */
export function watchOf(clients: WatchClients): WatchSeen {
  const { cloudWatch, kms, sns } = clients;
  return {
    alarms: (prefix) => alarmsOf(cloudWatch, prefix),
    muteRules: () => muteRulesOf(cloudWatch),
    rules: (prefix) => rulesOf(clients.eventBridge, prefix),
    topic: (TopicArn) =>
      unlessMissing(async () => {
        const { Attributes = {} } = await sns.send(new GetTopicAttributesCommand({ TopicArn }));
        const { KmsMasterKeyId: keyId, Policy: policy } = Attributes;
        return { ...(keyId !== undefined && { keyId }), ...(policy !== undefined && { policy }) };
      }),
    key: (KeyId) =>
      unlessMissing(async () => {
        const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId }));
        const { Policy: policy } = await kms.send(new GetKeyPolicyCommand({ KeyId }));
        const state = KeyMetadata?.KeyState ?? 'in an unknown state';
        return { state, ...(policy !== undefined && { policy }) };
      }),
    async listeners(TopicArn) {
      let confirmed = 0;
      for await (const page of paginateListSubscriptionsByTopic({ client: sns }, { TopicArn }))
        confirmed += (page.Subscriptions ?? []).filter(({ SubscriptionArn = '' }) =>
          SubscriptionArn.startsWith('arn:'),
        ).length;
      return confirmed;
    },
  };
}

async function alarmsOf(client: CloudWatchClient, AlarmNamePrefix: string): Promise<AlarmSeen[]> {
  const seen: AlarmSeen[] = [];
  for await (const page of paginateDescribeAlarms({ client }, { AlarmNamePrefix }))
    seen.push(...(page.MetricAlarms ?? []).map(alarmSeen));
  return seen;
}

function alarmSeen(alarm: MetricAlarm): AlarmSeen {
  return {
    name: alarm.AlarmName ?? '',
    actionsEnabled: alarm.ActionsEnabled === true,
    actions: alarm.AlarmActions ?? [],
    state: alarm.StateValue ?? 'UNKNOWN',
    dimensions: Object.fromEntries(
      (alarm.Dimensions ?? []).map(({ Name = '', Value = '' }) => [Name, Value]),
    ),
    ...present({
      namespace: alarm.Namespace,
      metric: alarm.MetricName,
      statistic: alarm.Statistic,
      unit: alarm.Unit,
      periodSeconds: alarm.Period,
      evaluationPeriods: alarm.EvaluationPeriods,
      comparison: alarm.ComparisonOperator,
      threshold: alarm.Threshold,
      missingData: alarm.TreatMissingData,
    }),
  };
}

/** A list of mute rules says not what they mute. */
async function muteRulesOf(client: CloudWatchClient): Promise<{ name: string; alarms: string[] }[]> {
  const names: string[] = [];
  for await (const page of paginateListAlarmMuteRules({ client }, { Statuses: ['ACTIVE'] }))
    for (const { AlarmMuteRuleArn = '' } of page.AlarmMuteRuleSummaries ?? [])
      names.push(AlarmMuteRuleArn.slice(AlarmMuteRuleArn.lastIndexOf(':') + 1));
  return Promise.all(
    names.map(async (name) => {
      const { MuteTargets } = await client.send(new GetAlarmMuteRuleCommand({ AlarmMuteRuleName: name }));
      return { name, alarms: MuteTargets?.AlarmNames ?? [] };
    }),
  );
}

async function rulesOf(client: EventBridgeClient, NamePrefix: string): Promise<RuleSeen[]> {
  const rules: Rule[] = [];
  let NextToken: string | undefined;
  do {
    const page: ListRulesCommandOutput = await client.send(new ListRulesCommand({ NamePrefix, NextToken }));
    rules.push(...(page.Rules ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return Promise.all(
    rules.map(async ({ Name: name = '', State: state = 'UNKNOWN', EventPattern, ScheduleExpression }) => {
      const { Targets = [] } = await client.send(new ListTargetsByRuleCommand({ Rule: name }));
      const targets = Targets.map(({ Arn = '' }) => Arn);
      return { name, state, targets, ...present({ pattern: EventPattern, schedule: ScheduleExpression }) };
    }),
  );
}

const missing = new Set(['NotFoundException', 'NotFound', 'NotFoundError']);

async function unlessMissing<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Error && missing.has(error.name)) return undefined;
    throw error;
  }
}

/** A service leaves out what it does not have, or sends empty text. */
function present<T extends Readonly<Record<string, unknown>>>(
  values: T,
): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== ''),
  ) as { [K in keyof T]?: NonNullable<T[K]> };
}
