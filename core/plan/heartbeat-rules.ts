import { formatDuration, parseDuration } from './duration.ts';
import type { Finding, PlanPath } from './plan-problem.ts';
import { valueAt } from './schema-findings.ts';

const shortestSeconds = 5 * 60;
const longestSeconds = 6 * 3600;

/** What the schema cannot say of heartbeats: one address, told apart by Region, and an interval that EventBridge has. */
export function heartbeatRules(document: unknown): Finding[] {
  const channels = valueAt(document, ['notifications']);
  if (typeof channels !== 'object' || channels === null) return [];
  return Object.keys(channels).flatMap((id) => {
    const path: PlanPath = ['notifications', id, 'heartbeat'];
    const heartbeat = valueAt(document, path);
    if (typeof heartbeat !== 'object' || heartbeat === null) return [];
    return [...addressRules(path, heartbeat), ...intervalRules(path, heartbeat)];
  });
}

function addressRules(path: PlanPath, heartbeat: object): Finding[] {
  const url: unknown = valueAt(heartbeat, ['url']);
  if ((url === undefined) === (valueAt(heartbeat, ['secret']) === undefined)) {
    const message = `${path.join('.')} has ${url === undefined ? 'no address' : 'two addresses'}`;
    return [{ path, atKey: true, message, allowed: 'either url or secret' }];
  }
  if (typeof url !== 'string' || url.includes('{region}')) return [];
  return [
    {
      path: [...path, 'url'],
      message: `${path.join('.')}.url does not say which Region calls`,
      allowed: 'an address with {region} in it',
      hint: 'with one address for both Regions either of them keeps the service quiet while the other is silent',
    },
  ];
}

function intervalRules(path: PlanPath, heartbeat: object): Finding[] {
  const every = valueAt(heartbeat, ['every']);
  const seconds = typeof every === 'string' ? parseDuration(every) : undefined;
  if (
    seconds === undefined ||
    (seconds % 60 === 0 && seconds >= shortestSeconds && seconds <= longestSeconds)
  )
    return [];
  return [
    {
      path: [...path, 'every'],
      message: `${path.join('.')}.every does not fit`,
      value: String(every),
      allowed: `whole minutes, ${formatDuration(shortestSeconds)} to ${formatDuration(longestSeconds)}`,
    },
  ];
}
