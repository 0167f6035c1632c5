import { nearest } from './suggest.ts';

/**
 * EventBridge Scheduler's six-field cron, evaluated here because the libraries at hand accept what AWS refuses and let
 * 30 February fire on 2 March. Reference: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 */
export interface Cron {
  /** Minutes after midnight, ascending, at which a matching day fires. */
  readonly minutesOfDay: readonly number[];
  matchesDay(day: CalendarDay): boolean;
}

export interface CalendarDay {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

/** A field that breaks the rules, in words that complete "the … field". */
export class CronError extends Error {}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
  /** Special forms that the field takes besides numbers, ranges and steps. */
  readonly special: string;
}

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const fields = {
  minutes: { name: 'minutes', min: 0, max: 59, special: '' },
  hours: { name: 'hours', min: 0, max: 23, special: '' },
  dayOfMonth: { name: 'day-of-month', min: 1, max: 31, special: ', ?, L, L-3 or 15W' },
  month: { name: 'month', min: 1, max: 12, names: months, special: ', or JAN to DEC' },
  dayOfWeek: {
    name: 'day-of-week',
    min: 1,
    max: 7,
    names: weekdays,
    special: ' (1 is Sunday), SUN to SAT, ?, 6L or 6#3',
  },
  year: { name: 'year', min: 1970, max: 2199, special: '' },
} as const satisfies Record<string, Field>;

type DayTest = (day: CalendarDay) => boolean;

/** Parses what stands between the brackets of `cron(…)`. @throws CronError for the first bad field */
export function parseCron(expression: string): Cron {
  const parts = expression.trim().split(/\s+/);
  if (parts.length !== 6) {
    throw new CronError(
      `it has ${expression.trim() === '' ? 0 : parts.length} fields instead of 6 (minutes hours day-of-month month day-of-week year)`,
    );
  }
  const [minute = '', hour = '', dom = '', month = '', dow = '', year = ''] = parts.map((p) =>
    p.toUpperCase(),
  );
  if ((dom === '?') === (dow === '?')) {
    throw new CronError(
      `day-of-month is ${dom} and day-of-week is ${dow}: exactly one of the two must be ?, so that it is clear which one counts`,
    );
  }
  const minutes = parseList(minute, fields.minutes);
  const hours = parseList(hour, fields.hours);
  const monthSet = new Set(parseList(month, fields.month));
  const yearSet = new Set(parseList(year, fields.year));
  const dayTest = dow === '?' ? dayOfMonthTest(dom) : dayOfWeekTest(dow);
  return {
    minutesOfDay: hours.flatMap((h) => minutes.map((m) => h * 60 + m)).toSorted((a, b) => a - b),
    matchesDay: (day) => yearSet.has(day.year) && monthSet.has(day.month) && dayTest(day),
  };
}

function bad(field: Field, text: string): CronError {
  const near = field.names && nearest(text, field.names);
  return new CronError(
    `the ${field.name} field is ${text === '' ? 'empty' : text}; allowed are ${field.min} to ${field.max}${field.special}, with , - * and /${near ? `; did you mean ${near}?` : ''}`,
  );
}

/** Comma-separated numbers, names, ranges and steps → the sorted values. */
function parseList(text: string, field: Field): number[] {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', step, ...rest] = part.split('/');
    if (rest.length > 0 || (step !== undefined && !/^\d+$/.test(step))) throw bad(field, part);
    const increment = step === undefined ? 1 : Number(step);
    if (increment < 1 || increment > field.max) throw bad(field, part);
    const [low, high] = parseRange(range, field);
    // `5/10` is every tenth from 5 on; `5` alone is only 5.
    const end = step !== undefined && !range.includes('-') ? field.max : high;
    for (let value = low; value <= end; value += increment) values.add(value);
  }
  return [...values].toSorted((a, b) => a - b);
}

function parseRange(text: string, field: Field): [number, number] {
  if (text === '*') return [field.min, field.max];
  const [low = '', high = low, ...rest] = text.split('-');
  const range: [number, number] = [parseValue(low, field), parseValue(high, field)];
  if (rest.length > 0) throw bad(field, text);
  if (range[0] > range[1])
    throw new CronError(`the ${field.name} field has the range ${text}, which runs backwards`);
  return range;
}

function parseValue(text: string, field: Field): number {
  const named = field.names?.indexOf(text) ?? -1;
  const value = named >= 0 ? named + field.min : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= field.min && value <= field.max)) throw bad(field, text);
  return value;
}

function dayOfMonthTest(text: string): DayTest {
  const last = /^L(?:-(\d+))?$/.exec(text);
  if (last !== null) {
    const before = Number(last[1] ?? 0);
    if (before > 30) throw bad(fields.dayOfMonth, text);
    return (d) => d.day === daysInMonth(d) - before;
  }
  if (text === 'LW') return (d) => d.day === nearestWorkday(d, daysInMonth(d));
  const weekday = /^(\d+)W$/.exec(text);
  if (weekday !== null) {
    const wanted = parseValue(weekday[1] ?? '', fields.dayOfMonth);
    return (d) => wanted <= daysInMonth(d) && d.day === nearestWorkday(d, wanted);
  }
  const days = new Set(parseList(text, fields.dayOfMonth));
  return (d) => days.has(d.day);
}

function dayOfWeekTest(text: string): DayTest {
  if (text === 'L') return (d) => weekdayOf(d) === 7;
  const last = /^(.+)L$/.exec(text);
  if (last !== null) {
    const wanted = parseValue(last[1] ?? '', fields.dayOfWeek);
    return (d) => weekdayOf(d) === wanted && d.day + 7 > daysInMonth(d);
  }
  const nth = /^([^#]+)#(\d)$/.exec(text);
  if (nth !== null) {
    const wanted = parseValue(nth[1] ?? '', fields.dayOfWeek);
    const n = Number(nth[2]);
    if (n < 1 || n > 5) throw bad(fields.dayOfWeek, text);
    return (d) => weekdayOf(d) === wanted && Math.ceil(d.day / 7) === n;
  }
  const days = new Set(parseList(text, fields.dayOfWeek));
  return (d) => days.has(weekdayOf(d));
}

function daysInMonth({ year, month }: CalendarDay): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** 1 is Sunday, as AWS counts. */
function weekdayOf({ year, month, day }: CalendarDay): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
}

/** The Monday-to-Friday day nearest to `wanted` that does not leave the month. */
function nearestWorkday(of: CalendarDay, wanted: number): number {
  const weekday = weekdayOf({ ...of, day: wanted });
  if (weekday === 7) return wanted > 1 ? wanted - 1 : wanted + 2;
  if (weekday === 1) return wanted < daysInMonth(of) ? wanted + 1 : wanted - 2;
  return wanted;
}
