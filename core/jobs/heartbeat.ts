import { alarmName, alarmNames, ruleNames } from '../plan/alarm-catalogue.ts';
import { deploymentNames } from '../plan/names.ts';
import type { HeartbeatPlan, Plan } from '../plan/plan.ts';
import type { HeartbeatReply, Reported } from './messages.ts';
import { metricNames } from './metrics.ts';

/** An alarm as CloudWatch has it; what it lacks is missing. */
export interface AlarmSeen {
  readonly name: string;
  readonly actionsEnabled: boolean;
  readonly actions: readonly string[];
  readonly state: string;
  readonly metric?: string;
  readonly threshold?: number;
}

/** What a heartbeat asks of the Region it leaves. */
export interface WatchSeen {
  /** Every alarm whose name begins so. */
  alarms(prefix: string): Promise<readonly AlarmSeen[]>;
  /** Every rule whose name begins so, with the number of its targets. */
  rules(prefix: string): Promise<readonly { name: string; enabled: boolean; targets: number }[]>;
  /** Confirmed subscriptions of a topic. */
  listeners(topicArn: string): Promise<number>;
}

export interface HeartbeatDependencies {
  readonly plan: Plan;
  readonly region: string;
  readonly watch: WatchSeen;
  /** Value of a secret of this Region. */
  readonly secret: (name: string) => Promise<string>;
  /** Calls the address: `undefined` when it took the heartbeat, else why not, without the address. */
  readonly call: (url: string) => Promise<string | undefined>;
}

/**
 * Sends one channel's heartbeat when everything that would ring is known to be in place in this Region, and the newest
 * protected point of every source is within its RPO. Whoever listens outside rings when it stays away, so whatever is
 * doubtful keeps it back: silence needs nobody's consent in here.
 */
export async function sendHeartbeat(
  deps: HeartbeatDependencies,
  channel: string,
): Promise<Reported<HeartbeatReply>> {
  const heartbeat = deps.plan.notifications[channel]?.heartbeat;
  const reasons =
    heartbeat === undefined ? [`the plan has no heartbeat ${channel}`] : await whyNot(deps, heartbeat);
  const sent = reasons.length === 0;
  return {
    reply: { channel, sent, reasons },
    metrics: [{ name: metricNames.heartbeatMissing, unit: 'Count', value: sent ? 0 : 1 }],
  };
}

async function whyNot(deps: HeartbeatDependencies, heartbeat: HeartbeatPlan): Promise<string[]> {
  const doubts = await doubtsAbout(deps);
  if (doubts.length > 0) return doubts;
  const url = await addressOf(deps, heartbeat);
  if (url === undefined)
    return [`secret ${heartbeat.secret ?? ''} holds no address that begins with https://`];
  const failure = await deps.call(url);
  return failure === undefined ? [] : [`the address did not take it: ${failure}`];
}

async function addressOf(deps: HeartbeatDependencies, heartbeat: HeartbeatPlan): Promise<string | undefined> {
  const { url, secret } = heartbeat;
  const address = (url ?? (await deps.secret(secret ?? ''))).trim().replaceAll('{region}', deps.region);
  return URL.canParse(address) && new URL(address).protocol === 'https:' ? address : undefined;
}

/** Everything because of which an alarm might not ring, or should be ringing. */
async function doubtsAbout({ plan, region, watch }: HeartbeatDependencies): Promise<string[]> {
  const { prefix, alarmTopic } = deploymentNames(plan);
  const role = region === plan.regions.primary ? 'primary' : 'standby';
  const topic = `arn:aws:sns:${region}:${plan.account}:${alarmTopic}`;
  const [alarms, rules, listeners] = await Promise.all([
    watch.alarms(`${prefix}-`),
    watch.rules(`${prefix}-`),
    watch.listeners(topic),
  ]);
  const alarmDoubts = alarmNames(plan, role).flatMap((name) => {
    const alarm = alarms.find((one) => one.name === name);
    if (alarm === undefined) return [`alarm ${name} is missing`];
    if (!alarm.actionsEnabled) return [`alarm ${name} has its actions disabled`];
    return alarm.actions.includes(topic) ? [] : [`alarm ${name} does not tell the topic`];
  });
  const ruleDoubts = ruleNames(plan).flatMap((name) => {
    const rule = rules.find((one) => one.name === name);
    if (rule === undefined) return [`rule ${name} is missing`];
    if (!rule.enabled) return [`rule ${name} is disabled`];
    return rule.targets > 0 ? [] : [`rule ${name} has no target`];
  });
  return [
    ...alarmDoubts,
    ...ruleDoubts,
    ...(listeners > 0 ? [] : ['nobody is subscribed to the alarms']),
    ...plan.sources.flatMap((source) => ageDoubt(plan, source, { alarms, role })),
  ];
}

/** The alarm on the RPO measures the age; it counts only if it still looks at the age, and against the RPO. */
function ageDoubt(
  plan: Plan,
  source: Plan['sources'][number],
  { alarms, role }: { readonly alarms: readonly AlarmSeen[]; readonly role: 'primary' | 'standby' },
): string[] {
  const name = alarmName(plan, role === 'primary' ? 'backup-too-old' : 'dead-man', source.id);
  const alarm = alarms.find((one) => one.name === name);
  if (alarm === undefined) return [];
  const rpoHours = source.objectives.rpoSeconds / 3600;
  if (alarm.metric !== metricNames.backupAgeHours || (alarm.threshold ?? Infinity) > rpoHours)
    return [`alarm ${name} no longer measures the age against the RPO of ${rpoHours} h`];
  return alarm.state === 'OK'
    ? []
    : [`no protected recovery point of ${source.id} within the RPO: ${name} is ${alarm.state}`];
}
