import type { AlarmSeen, RuleSeen, WatchSeen } from '../../core/watch/doubts.ts';
import { keyOfArn, type Watched, watched } from '../../core/watch/watched.ts';
import type { Deployment } from '../deployment.ts';
import type { ResolvedResource } from './resolve.ts';

/** What one Region's services would say of an app right after its deployment, for a test to change. */
export interface SeenRegion {
  alarms: AlarmSeen[];
  muteRules: { name: string; alarms: string[] }[];
  rules: RuleSeen[];
  topic: { keyId?: string; policy?: string } | undefined;
  key: { state: string; policy?: string } | undefined;
  listeners: number;
}

export function seenRegion(resources: readonly ResolvedResource[], region: string): SeenRegion {
  const ofType = (type: string) =>
    resources.filter((one) => one.region === region && one.type === type).map(({ properties }) => properties);
  const [topic] = ofType('AWS::SNS::Topic');
  const [topicPolicy] = ofType('AWS::SNS::TopicPolicy');
  const [key] = ofType('AWS::KMS::Key');
  return {
    alarms: ofType('AWS::CloudWatch::Alarm').map((it) => ({
      name: it['AlarmName'],
      actionsEnabled: it['ActionsEnabled'] ?? true,
      actions: it['AlarmActions'],
      state: 'OK',
      namespace: it['Namespace'],
      metric: it['MetricName'],
      dimensions: Object.fromEntries(it['Dimensions'].map((one: any) => [one.Name, one.Value])),
      statistic: it['Statistic'],
      periodSeconds: it['Period'],
      evaluationPeriods: it['EvaluationPeriods'],
      comparison: it['ComparisonOperator'],
      threshold: it['Threshold'],
      missingData: it['TreatMissingData'],
    })),
    muteRules: [],
    rules: ofType('AWS::Events::Rule').map((it) => ({
      name: it['Name'],
      state: it['State'],
      ...(it['EventPattern'] !== undefined && { pattern: JSON.stringify(it['EventPattern']) }),
      ...(it['ScheduleExpression'] !== undefined && { schedule: it['ScheduleExpression'] }),
      targets: it['Targets'].map((one: any) => one.Arn),
    })),
    topic: { keyId: topic?.['KmsMasterKeyId'], policy: JSON.stringify(topicPolicy?.['PolicyDocument']) },
    key: { state: 'Enabled', policy: JSON.stringify(key?.['KeyPolicy']) },
    listeners: 1,
  };
}

export function portOf(seen: SeenRegion): WatchSeen {
  return {
    alarms: async (prefix) => seen.alarms.filter(({ name }) => name.startsWith(prefix)),
    muteRules: async () => seen.muteRules,
    rules: async (prefix) => seen.rules.filter(({ name }) => name.startsWith(prefix)),
    topic: async () => seen.topic,
    key: async () => seen.key,
    listeners: async () => seen.listeners,
  };
}

/** As the heartbeat of that Region is told of it. */
export function watchedIn(
  { plan, bootstrapQualifier }: Deployment,
  resources: readonly ResolvedResource[],
  region: string,
): Watched {
  const arn = (id: string) => keyOfArn(`arn:aws:kms:${region}:${plan.account}:key/${id}`);
  const topic = resources.find((one) => one.type === 'AWS::SNS::Topic' && one.region === region);
  const keys = {
    vault: arn('mrk-vault'),
    signing: arn('mrk-signing'),
    alarms: keyOfArn(topic?.properties['KmsMasterKeyId']),
  };
  return watched({ plan, region, keys, bootstrapQualifier });
}
