const weekDays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const;

/** Once a week, each source at its own hour of its own day, so that tests neither pile up nor meet the nightly backups at full hours. */
export function restoreTestExpression(index: number): string {
  const day = weekDays[index % weekDays.length];
  const hour = (5 + Math.floor(index / weekDays.length)) % 24;
  return `cron(37 ${hour} ? * ${day} *)`;
}
