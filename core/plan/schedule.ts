import { type CalendarDay, type Cron, CronError, parseCron } from './cron.ts';
import { nearest } from './suggest.ts';

/** A schedule expression that EventBridge Scheduler would refuse, or that would leave the source without backups. */
export class ScheduleError extends Error {}

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** Beyond a leap year that is no leap year (2100), so that `29 2` is seen to fire. */
const horizonDays = 9 * 366;

/**
 * The longest time between two runs of an EventBridge Scheduler expression, in seconds, from `now` on. Clock changes of
 * the zone count as AWS treats them: a run at a local time that the spring change leaves out is skipped, and in autumn a
 * local time that comes twice runs once.
 * @throws ScheduleError
 */
export function longestInterval(expression: string, timezone: string, now: Date): number {
  const [, kind, body = ''] = /^\s*([a-z]+)\s*\((.*)\)\s*$/s.exec(expression) ?? [];
  if (kind === 'rate') return rateSeconds(body);
  if (kind === 'at') throw new ScheduleError('at(…) runs only once, and a backup must recur');
  if (kind !== 'cron') throw new ScheduleError('it is neither cron(…) nor rate(…)');
  try {
    return cronInterval(parseCron(body), timezone, now);
  } catch (error) {
    throw error instanceof CronError ? new ScheduleError(error.message) : error;
  }
}

/** True for names of the IANA database as EventBridge Scheduler takes them; offsets such as +02:00 are none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    return false;
  }
  // Intl takes any case; AWS does not.
  const exact = timeZones().find((zone) => zone.toLowerCase() === name.toLowerCase());
  return exact === undefined || exact === name;
}

/** The zone that a mistyped name probably meant. */
export function nearestTimeZone(name: string): string | undefined {
  const zones = timeZones();
  const place = (zone: string) => zone.slice(zone.lastIndexOf('/') + 1).toLowerCase();
  return nearest(name, zones) ?? zones.find((zone) => place(zone) === place(name));
}

function timeZones(): string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')];
}

function rateSeconds(body: string): number {
  const [, count = '', unit = '', plural] = /^\s*(\d+)\s+(minute|hour|day)(s?)\s*$/.exec(body) ?? [];
  const value = Number(count);
  if (count === '' || value < 1) {
    throw new ScheduleError(`rate(${body}) is not a number from 1 on and minutes, hours or days`);
  }
  if ((value === 1) === (plural === 's')) {
    throw new ScheduleError(`rate(${body}) should read rate(${value} ${unit}${value === 1 ? '' : 's'})`);
  }
  return value * { minute: 60, hour: 3600, day: 86_400 }[unit as 'minute' | 'hour' | 'day'];
}

function cronInterval(cron: Cron, timezone: string, now: Date): number {
  const first = startOfDay(now);
  const days: number[] = [];
  for (let i = 0; i <= horizonDays; i += 1) {
    const at = first + i * dayMs;
    if (cron.matchesDay(calendarDay(at))) days.push(at);
  }
  const last = days.at(-1);
  if (last === undefined) throw new ScheduleError('it never fires: no day from today on matches');
  if (!recursAfter(cron, last)) {
    const day = new Date(last).toISOString().slice(0, 10);
    throw new ScheduleError(`it stops firing: the last day that matches is ${day}`);
  }
  const offset = offsetReader(timezone);
  const aroundChanges = clockChanges(offset, first).map((change) =>
    intervalAround(cron, days, { offset, change }),
  );
  return Math.max(wallClockInterval(cron, days), ...aroundChanges) / 1000;
}

/** A year field that ends lets the schedule end; eight years without a run cannot come from the other fields. */
function recursAfter(cron: Cron, last: number): boolean {
  for (let i = 1; i <= horizonDays; i += 1) if (cron.matchesDay(calendarDay(last + i * dayMs))) return true;
  return false;
}

/** The longest gap when no clock is changed. */
function wallClockInterval(cron: Cron, days: readonly number[]): number {
  const { minutesOfDay: minutes } = cron;
  const within = minutes.map((minute, i) => minute - (minutes[i - 1] ?? minute));
  const overnight = (minutes[0] ?? 0) - (minutes.at(-1) ?? 0);
  const between = days.map((day, i) => (i === 0 ? 0 : day - (days[i - 1] ?? day) + overnight * minuteMs));
  return Math.max(Math.max(...within) * minuteMs, ...between);
}

/** The longest gap between the runs from the last matching day before a clock change to the first one after it. */
function intervalAround(
  cron: Cron,
  days: readonly number[],
  { offset, change }: { readonly offset: OffsetReader; readonly change: number },
): number {
  const before = days.filter((day) => day < change - 2 * dayMs).at(-1);
  const after = days.find((day) => day > change + 2 * dayMs);
  const near = days.filter((day) => Math.abs(day - change) <= 2 * dayMs);
  const instants = [before, ...near, after]
    .filter((day) => day !== undefined)
    .flatMap((day) => cron.minutesOfDay.map((minute) => instantOf(day + minute * minuteMs, offset)))
    .filter((instant) => instant !== undefined);
  return Math.max(0, ...instants.map((instant, i) => instant - (instants[i - 1] ?? instant)));
}

/** Days (as UTC midnights) around which the zone's offset changes, for the next two years. */
function clockChanges(offset: OffsetReader, first: number): number[] {
  const changes: number[] = [];
  for (let i = 0; i < 2 * 366; i += 1) {
    const day = first + i * dayMs;
    if (offset(day) !== offset(day + dayMs)) changes.push(day);
  }
  return changes;
}

/** The instant of a local time; `undefined` when the clock jumps over it. Of a time that comes twice, the first. */
function instantOf(local: number, offset: OffsetReader): number | undefined {
  const candidates = [local - offset(local - dayMs), local - offset(local + dayMs)];
  return candidates.toSorted((a, b) => a - b).find((instant) => instant + offset(instant) === local);
}

/** How far a zone's clock is ahead of UTC at an instant, in milliseconds. */
type OffsetReader = (instant: number) => number;

function offsetReader(timezone: string): OffsetReader {
  const options = { timeZone: timezone, hourCycle: 'h23', dateStyle: 'short', timeStyle: 'medium' } as const;
  // Sweden writes dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv-SE', options);
  return (instant) =>
    Date.parse(`${format.format(instant).replace(' ', 'T')}Z`) - Math.floor(instant / 1000) * 1000;
}

function startOfDay(date: Date): number {
  return Math.floor(date.getTime() / dayMs) * dayMs;
}

function calendarDay(at: number): CalendarDay {
  const date = new Date(at);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}
