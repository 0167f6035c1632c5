import type { HeartbeatPlan } from '../plan/plan.ts';
import { doubtsAbout, type WatchSeen } from '../watch/doubts.ts';
import type { Watched } from '../watch/watched.ts';
import type { HeartbeatReply, Reported } from './messages.ts';
import { metricNames } from './metrics.ts';

export interface HeartbeatDependencies {
  readonly about: Watched;
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
  const heartbeat = deps.about.plan.notifications[channel]?.heartbeat;
  const reasons =
    heartbeat === undefined ? [`the plan has no heartbeat ${channel}`] : await whyNot(deps, heartbeat);
  const sent = reasons.length === 0;
  return {
    reply: { channel, sent, reasons },
    metrics: [{ name: metricNames.heartbeatMissing, unit: 'Count', value: sent ? 0 : 1 }],
  };
}

async function whyNot(deps: HeartbeatDependencies, heartbeat: HeartbeatPlan): Promise<string[]> {
  const doubts = await doubtsAbout(deps.about, deps.watch);
  if (doubts.length > 0) return doubts.map(({ says }) => says);
  const url = await addressOf(deps, heartbeat);
  if (url === undefined)
    return [`secret ${heartbeat.secret ?? ''} holds no address that begins with https://`];
  const failure = await deps.call(url);
  return failure === undefined ? [] : [`the address did not take it: ${failure}`];
}

async function addressOf(deps: HeartbeatDependencies, heartbeat: HeartbeatPlan): Promise<string | undefined> {
  const { url, secret } = heartbeat;
  const address = (url ?? (await deps.secret(secret ?? ''))).trim().replaceAll('{region}', deps.about.region);
  return URL.canParse(address) && new URL(address).protocol === 'https:' ? address : undefined;
}
