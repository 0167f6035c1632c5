import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['15m', 900],
    ['1h', 3600],
    ['1h30m', 5400],
    ['2d', 172_800],
    ['1w', 604_800],
    ['45s', 45],
    ['PT15M', 900],
    ['PT1H30M', 5400],
    ['P1D', 86_400],
    ['P1DT12H', 129_600],
  ])('reads %s', (text, seconds) => expect(parseDuration(text)).toBe(seconds));

  it.each([
    '',
    '15',
    'm',
    '15 m',
    '0m',
    'P',
    'PT',
    'P1DT',
    'P1M',
    'P1Y',
    '-1h',
    '1.5h',
    '30m1h',
    '1H',
    '99999999999999999999h',
  ])('refuses %j', (text) => expect(parseDuration(text)).toBeUndefined());
});

describe('formatDuration', () => {
  it.each([
    [0.4, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [5400, '1 h 30 min'],
    [86_400, '1 day'],
    [90_061, '1 day 1 h'],
    [172_800, '2 days'],
  ])('says %d s as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});
