import { describe, expect, it } from 'vitest';
import { isTimeZone, longestInterval, nearestTimeZone } from './schedule.ts';

const now = new Date('2026-11-21T10:00:00Z');
const hours = (expression: string, timezone = 'UTC') => longestInterval(expression, timezone, now) / 3600;

describe('longestInterval', () => {
  it.each([
    ['cron(0 2 * * ? *)', 24],
    ['cron(0 2/6 * * ? *)', 6],
    ['cron(0/15 * * * ? *)', 0.25],
    ['cron(0 2 ? * SUN *)', 7 * 24],
    ['cron(0 2 ? * MON-SAT *)', 48],
    ['cron(0 2 ? * 2#1 *)', 35 * 24],
    ['cron(0 2 ? * 6L *)', 35 * 24],
    ['cron(0 2 L * ? *)', 31 * 24],
    ['cron(0 2 1,15 * ? *)', 17 * 24],
    ['cron(0 0 29 2 ? *)', (4 * 365 + 1) * 24],
    ['cron(0 9 ? JAN,JUL MON *)', 161 * 24],
    ['rate(1 minute)', 1 / 60],
    ['rate(90 minutes)', 1.5],
    ['rate(1 day)', 24],
  ])('of %s is %d h', (expression, expected) => expect(hours(expression)).toBeCloseTo(expected, 6));

  it('takes the nearest weekday without leaving the month', () => {
    // 31 January 2027 is a Sunday: Friday 29th; the W of a month without a 31st never fires.
    expect(hours('cron(0 0 31W 1 ? *)')).toBeGreaterThan(360 * 24);
    expect(hours('cron(0 0 1W * ? *)')).toBeLessThanOrEqual(34 * 24);
  });

  it('counts the run that the spring change leaves out', () => {
    expect(hours('cron(30 2 * * ? *)', 'America/New_York')).toBe(47);
    expect(hours('cron(30 3 * * ? *)', 'America/New_York')).toBe(25);
    expect(hours('cron(0 2 ? * SUN *)', 'Europe/Berlin')).toBe(14 * 24 - 1);
  });

  it('counts the local hour that comes twice in autumn and runs once', () => {
    expect(hours('cron(0 * * * ? *)', 'Europe/Berlin')).toBe(2);
    expect(hours('cron(0 * * * ? *)', 'Asia/Tokyo')).toBe(1);
    expect(hours('cron(0/15 * * * ? *)', 'Australia/Lord_Howe')).toBe(0.75);
  });

  it.each([
    ['cron(0 0 30 2 ? *)', 'never fires'],
    ['cron(0 0 31W 2 ? *)', 'never fires'],
    ['cron(0 0 * * ? 2020-2025)', 'never fires'],
    ['cron(0 0 * * ? 2027)', 'last day that matches is 2027-12-31'],
    ['cron(60 * * * ? *)', 'minutes field is 60'],
    ['cron(0 24 * * ? *)', 'hours field is 24'],
    ['cron(0 0 0 * ? *)', 'day-of-month field is 0'],
    ['cron(0 0 32 * ? *)', 'day-of-month field is 32'],
    ['cron(0 0 * 13 ? *)', 'month field is 13'],
    ['cron(0 0 ? * 8 *)', 'day-of-week field is 8'],
    ['cron(0 0 ? * MOO *)', 'did you mean MON?'],
    ['cron(0 0 ? * 2#6 *)', 'day-of-week field is 2#6'],
    ['cron(0 0 * * ? 1969)', 'year field is 1969'],
    ['cron(0/0 * * * ? *)', 'minutes field is 0/0'],
    ['cron(30-10 * * * ? *)', 'runs backwards'],
    ['cron(, * * * ? *)', 'minutes field is empty'],
    ['cron(abc * * * ? *)', 'minutes field is ABC'],
    ['cron(0 2 * * * *)', 'exactly one of the two must be ?'],
    ['cron(0 2 ? * ? *)', 'exactly one of the two must be ?'],
    ['cron(0 2 * * *)', '5 fields instead of 6'],
    ['0 2 * * *', 'neither cron(…) nor rate(…)'],
    ['at(2027-01-01T00:00:00)', 'only once'],
    ['rate(0 hours)', 'number from 1 on'],
    ['rate(1 hours)', 'should read rate(1 hour)'],
    ['rate(5 minute)', 'should read rate(5 minutes)'],
    ['rate(30 seconds)', 'minutes, hours or days'],
  ])('refuses %s', (expression, message) => {
    expect(() => hours(expression)).toThrow(message);
  });
});

describe('isTimeZone', () => {
  it.each(['UTC', 'Europe/Berlin', 'Asia/Calcutta', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])(
    'takes %s',
    (zone) => {
      expect(isTimeZone(zone)).toBe(true);
    },
  );

  it.each(['europe/berlin', '+02:00', 'Mars/Olympus', '', 'utc'])('refuses %s', (zone) => {
    expect(isTimeZone(zone)).toBe(false);
  });

  it('knows what was meant', () => {
    expect(nearestTimeZone('Europe/Berln')).toBe('Europe/Berlin');
    expect(nearestTimeZone('Berlin')).toBe('Europe/Berlin');
    expect(nearestTimeZone('Mars/Olympus')).toBeUndefined();
  });
});
