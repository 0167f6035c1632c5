import type { DrillReport } from '../report.ts';

/** `8.24` → `8.2 s`; `100` → `1 min 40 s`; `14400` → `4 h`: at most two units, nothing smaller than a person cares for. */
export function sayDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)}\u00A0s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}\u00A0s`;
  if (whole < 3600) return join([whole / 60, 'min'], [whole % 60, 's']);
  if (whole < 172_800) return join([whole / 3600, 'h'], [(whole % 3600) / 60, 'min']);
  return join([whole / 86_400, 'days'], [(whole % 86_400) / 3600, 'h']);
}

function join(...parts: readonly (readonly [number, string])[]): string {
  return parts
    .map(([n, unit]) => [Math.floor(n), unit] as const)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}\u00A0${unit}`)
    .join(' ');
}

/** `1234567` → `1 234 567`. */
export function sayCount(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202F');
}

export function sayBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(power === 0 || value >= 10 ? 0 : 1)}\u00A0${units[power]}`;
}

/** The verdict in one sentence, as it is printed and as it heads the page: of a failure why it is one, of a success the figures. */
export function sayVerdict(report: DrillReport): string {
  return report.ok ? sayRecovery(report) : `${sayFailure(report)}.`;
}

/** What was measured, whatever else went wrong; empty when the data was never vouched for. */
export function sayRecovery({ measured, objectives }: DrillReport): string {
  if (measured.rtoSeconds === null) return '';
  const recovered = `Recovered in ${against(measured.rtoSeconds, objectives.rtoSeconds, '')}`;
  const lost =
    measured.rpoSeconds === null
      ? 'how much data was lost was not measured'
      : against(measured.rpoSeconds, objectives.rpoSeconds, ' of data lost');
  return `${recovered}; ${lost}.`;
}

/** The one thing that a reader must know of a drill that did not pass. */
function sayFailure(report: DrillReport): string {
  const { moments, failure, measured, objectives, checks } = report;
  const notAlone = `The database was recovered, but not without ${report.regions.primary}`;
  if (moments.killedAt === undefined) return 'It ended before the disaster';
  if (measured.rtoSeconds === null) {
    if (failure?.code !== 'CHECK_FAILED') return 'The database was not recovered';
    return isDataAtFault(report) ? 'What was restored did not pass its checks' : notAlone;
  }
  if (failure !== undefined && failure.code !== 'CHECK_FAILED')
    return `The database was recovered, but “${failure.step}” failed`;
  const broken = checks.filter(({ ok }) => !ok).length;
  if (broken > 0)
    return `The database was recovered, but ${broken} ${broken === 1 ? 'check' : 'checks'} did not hold`;
  if (measured.rtoSeconds > objectives.rtoSeconds) return 'The recovery took longer than was promised';
  if (measured.rpoSeconds === null) return 'How much data was lost could not be measured';
  return measured.rpoSeconds > objectives.rpoSeconds
    ? 'More data was lost than was promised'
    : 'The database was recovered, but not every step went well';
}

function against(measured: number, promised: number, what: string): string {
  const between = measured <= promised ? ' of the' : ', more than the';
  return `${sayDuration(measured)}${what}${between} ${sayDuration(promised)} promised`;
}

/** The name of the check by which a recovery proves that it went without the lost Region; the page leans on it. */
export const aloneCheck = (lostRegion: string) => `the recovery did not need ${lostRegion}`;

/** The name of the check by which no point that was reported protected is damaged. */
export const wholePointsCheck = (standby: string) => `every point reported protected is whole in ${standby}`;

/** Whether more broke than what says nothing about the data that came back. */
function isDataAtFault({ checks, regions }: DrillReport): boolean {
  const broken = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  const alone = aloneCheck(regions.primary);
  return (
    !broken.includes(alone) ||
    broken.some((name) => name !== alone && name !== wholePointsCheck(regions.standby))
  );
}

/** What a step is called that makes a fault on purpose begins with this. */
export const sabotageStep = 'sabotage: ';

function snapshotLoss({ measured: { rpoSeconds } }: DrillReport): string {
  return rpoSeconds === null
    ? ''
    : ` The snapshot that came back was taken ${sayDuration(rpoSeconds)} before the disaster.`;
}

/** What was lost, in sentences that need no glossary. */
export function sayLoss(report: DrillReport): readonly string[] {
  const { lost } = report;
  if (lost.acknowledged === null || lost.missing === null) {
    return [
      report.source.kind === 'own'
        ? `Nothing was written into your database during the drill, so there was nothing to count.${snapshotLoss(report)} In a real disaster you lose what was written after the snapshot of the last protected recovery point.`
        : 'The drill ended before the restored data could be compared with what its writers had been told was safe.',
    ];
  }
  const present = lost.acknowledged - lost.missing;
  const kept = `Up to the disaster ${sayCount(lost.acknowledged)} orders had been written and confirmed while the drill ran. ${sayCount(present)} of them are in the restored database.`;
  if (lost.missing === 0) return [kept, 'None is missing.'];
  const ranges = report.missingRanges
    .slice(0, 5)
    .map(([first, last]) => (first === last ? String(first) : `${first} to ${last}`));
  const more = report.missingRanges.length > 5 ? ` and ${report.missingRanges.length - 5} further gaps` : '';
  const missing = `${sayCount(lost.missing)} ${lost.missing === 1 ? 'is' : 'are'} missing: ${lost.missing === 1 ? 'number' : 'numbers'} ${ranges.join(', ')}${more}.`;
  return [kept, missing + sayReach(report)];
}

/** How far the restored data reaches. */
function sayReach({ measured: { rpoSeconds }, moments, rpoBy }: DrillReport): string {
  if (moments.killedAt === undefined) return '';
  if (rpoSeconds === null) return ' How much time was lost was not measured: not every check held.';
  const ago = `${sayDuration(rpoSeconds)} before the disaster`;
  return rpoBy === 'canary'
    ? ` The newest signed heartbeat in the restored data was written ${ago}; everything confirmed after the recovery point's snapshot is gone.`
    : ` The snapshot that came back was taken ${ago}; everything confirmed after it is gone.`;
}

/** What a rehearsal on one machine cannot prove; each line says what to expect instead. */
export const sandboxLimits: readonly string[] = [
  'Distance. Both Regions are on this machine: copies between real Regions take seconds to minutes (S3 promises 99.9 % within 15 minutes with replication time control), and that time adds to the data lost.',
  'Start-up times. A Fargate task takes about a minute to start, and a fresh RDS instance 5 to 15 minutes to be created; both add to the recovery time. Here they are processes that start in a second.',
  'Speed. Disk, network and CPU are those of this machine, shared by the database, the tasks, the storage and the writers.',
  'Enforcement. Permissions, bucket policies and object locks are deployed and read back, but the local AWS does not enforce all of them. docs/aws-check.md lists what to try once in a real account.',
  'Your clients. Pointing applications at the recovered database (names, secrets, connection pools) is not part of this drill.',
];
