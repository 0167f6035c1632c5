import type { PassedOverRecoveryPoint } from './vault.ts';

/** More ids than these are counted, not named. */
const mostNamed = 5;

/** A line per error code about points that were not taken, for an operator: `2 newer recovery points were passed over: …`. */
export function describePassedOver(
  points: readonly PassedOverRecoveryPoint[],
  words: { readonly which: string; readonly fate: string } = { which: 'newer ', fate: 'passed over' },
): string[] {
  const { which, fate } = words;
  return [...Map.groupBy(points, ({ code }) => code)].map(([code, group]) => {
    const ids = group.slice(0, mostNamed).map(({ id }) => id);
    const more = group.length > mostNamed ? ` and ${group.length - mostNamed} more` : '';
    return group.length === 1
      ? `${which}recovery point ${ids[0]} was ${fate}: ${code}`
      : `${group.length} ${which}recovery points were ${fate}: ${code} (${ids.join(', ')}${more})`;
  });
}
