/** `region/service/operation` counts summed by `region/service`, the busiest first. */
export function callsByService(counts: Readonly<Record<string, number>>): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [call, count] of Object.entries(counts)) {
    const service = call.slice(0, call.lastIndexOf('/'));
    sums.set(service, (sums.get(service) ?? 0) + count);
  }
  return Object.fromEntries([...sums].sort(([, a], [, b]) => b - a));
}
