/**
 * How far the clocks of two machines may be apart. Kept by NTP they differ by milliseconds, so what is later than this is no
 * accident of the network: a clock is wrong, or a time is forged.
 */
export const clockSkewSeconds = 10;

/** Whether a time is later than a moment that it cannot be after, by more than the clocks may differ. */
export function isAhead(time: Date, of: Date): boolean {
  return time.getTime() > of.getTime() + clockSkewSeconds * 1000;
}
