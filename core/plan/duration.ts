const unitSeconds = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1 } as const;
type Unit = keyof typeof unitSeconds;

const iso = /^P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;
const short = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;

/** What a duration may look like, for messages. */
export const durationForms = 'a duration such as 15m, 1h, 1h30m, 2d or, in ISO 8601, PT15M, PT1H, P2D';

/**
 * Seconds of `15m`, `1h30m`, `PT15M` or `P2D`; `undefined` when it is neither form, or nothing. Years and months are
 * refused because their length depends on when they begin.
 */
export function parseDuration(text: string): number | undefined {
  const match = iso.exec(text) ?? short.exec(text);
  if (match === null) return undefined;
  const units: readonly Unit[] = ['w', 'd', 'h', 'm', 's'];
  const seconds = units.reduce((sum, unit, i) => sum + Number(match[i + 1] ?? 0) * unitSeconds[unit], 0);
  return seconds > 0 && Number.isSafeInteger(seconds) ? seconds : undefined;
}

/** `90000` → `1 day 1 h`: at most two units, rounded down, for people. */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  const parts = (
    [
      ['d', 86_400],
      ['h', 3600],
      ['min', 60],
      ['s', 1],
    ] as const
  ).reduce<{ left: number; text: string[] }>(
    ({ left, text }, [unit, size]) => {
      const n = Math.floor(left / size);
      const name = unit === 'd' ? (n === 1 ? 'day' : 'days') : unit;
      return { left: left - n * size, text: n > 0 ? [...text, `${n} ${name}`] : text };
    },
    { left: seconds, text: [] },
  );
  return parts.text.slice(0, 2).join(' ');
}
