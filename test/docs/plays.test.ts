import { describe, expect, it } from 'vitest';
import { notPlayed } from './not-played.ts';
import { documented, sandboxPlays, withBothRegions, withoutPrimary } from './plays.ts';

const played = [
  ...Object.values(sandboxPlays),
  ...[...withBothRegions, ...withoutPrimary].map(([text]) => text),
];
const excused = notPlayed.flatMap(({ commands }) => commands);

describe('every documented command', () => {
  it('is played, or stands in the list of those that cannot be, with a reason', () => {
    const known = new Set([...played, ...excused]);
    expect(documented.filter((text) => !known.has(text))).toEqual([]);
  });

  it('that is played or excused is still documented, and not both', () => {
    expect([...played, ...excused].filter((text) => !documented.includes(text))).toEqual([]);
    expect(excused.filter((text) => played.includes(text))).toEqual([]);
  });
});
