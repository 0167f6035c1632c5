import { type CloudWatchClient, paginateDescribeAlarms } from '@aws-sdk/client-cloudwatch';
import {
  type EventBridgeClient,
  ListRulesCommand,
  type ListRulesCommandOutput,
  ListTargetsByRuleCommand,
} from '@aws-sdk/client-eventbridge';
import { paginateListSubscriptionsByTopic, type SNSClient } from '@aws-sdk/client-sns';
import pRetry from 'p-retry';
import type { AlarmSeen, WatchSeen } from './heartbeat.ts';

export interface WatchClients {
  readonly cloudWatch: CloudWatchClient;
  readonly eventBridge: EventBridgeClient;
  readonly sns: SNSClient;
}

/** What CloudWatch, EventBridge and SNS of the clients' Region say. */
export function watchOf({ cloudWatch, eventBridge, sns }: WatchClients): WatchSeen {
  return {
    async alarms(prefix) {
      const seen: AlarmSeen[] = [];
      for await (const page of paginateDescribeAlarms({ client: cloudWatch }, { AlarmNamePrefix: prefix })) {
        for (const alarm of page.MetricAlarms ?? []) {
          seen.push({
            name: alarm.AlarmName ?? '',
            actionsEnabled: alarm.ActionsEnabled === true,
            actions: alarm.AlarmActions ?? [],
            state: alarm.StateValue ?? 'UNKNOWN',
            ...(alarm.MetricName !== undefined && { metric: alarm.MetricName }),
            ...(alarm.Threshold !== undefined && { threshold: alarm.Threshold }),
          });
        }
      }
      return seen;
    },
    async rules(prefix) {
      const names: { name: string; enabled: boolean }[] = [];
      let NextToken: string | undefined;
      do {
        const page: ListRulesCommandOutput = await eventBridge.send(
          new ListRulesCommand({ NamePrefix: prefix, NextToken }),
        );
        for (const { Name: name = '', State } of page.Rules ?? [])
          names.push({ name, enabled: State !== 'DISABLED' });
        NextToken = page.NextToken;
      } while (NextToken !== undefined);
      return Promise.all(
        names.map(async ({ name, enabled }) => {
          const { Targets = [] } = await eventBridge.send(new ListTargetsByRuleCommand({ Rule: name }));
          return { name, enabled, targets: Targets.length };
        }),
      );
    },
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

const attempts = 3;
const timeoutMilliseconds = 10_000;

/**
 * GET, which every dead-man service takes. Tried three times within the function's minute; only 2xx counts, and a redirect
 * is not followed, for it may lead anywhere. What is returned never holds the address, which may be a secret.
 */
export async function callAddress(url: string): Promise<string | undefined> {
  try {
    await pRetry(
      async () => {
        const answer = await fetch(url, {
          redirect: 'manual',
          signal: AbortSignal.timeout(timeoutMilliseconds),
          headers: { 'user-agent': 'holdfast-heartbeat' },
        });
        await answer.body?.cancel();
        if (!answer.ok) throw new Error(`it answered ${answer.status}`);
      },
      { retries: attempts - 1, minTimeout: 500, factor: 2, shouldRetry: () => true },
    );
    return undefined;
  } catch (error) {
    return withoutAddress(error as Error);
  }
}

/** Messages of `fetch` may quote the address; its cause has a code. */
function withoutAddress(error: Error): string {
  if (/^it answered \d+$/.test(error.message)) return error.message;
  const { code } = (error.cause ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
