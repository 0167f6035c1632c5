import { isHoldfastError } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import type { Manifest } from '../vault/manifest.ts';
import type { Vault } from '../vault/vault.ts';
import type { DeadManReply, Reported } from './messages.ts';
import { metricNames, type MetricValue } from './metrics.ts';

export interface DeadManDependencies {
  readonly vault: Pick<Vault, 'open'>;
  readonly plan: Pick<Plan, 'sources'>;
  readonly now: () => Date;
}

/**
 * How old the newest recovery point of every source is that this Region's own vault holds whole: signed manifest, every
 * object it names there in its size. Nothing else is asked, neither the catalogue, whose records a task could forge, nor the
 * other Region: so an alarm here sounds although the Region that should back up is gone, and no record keeps it silent. A
 * source without any gives no value, and its alarm breaches on missing data. The age counts from the start of the backup,
 * because that is how old the data is. A point that says it was begun later than now is passed over and counted as wrong: it would
 * look young until that time comes.
 */
export async function measureAges(deps: DeadManDependencies): Promise<Reported<DeadManReply>> {
  const sources: DeadManReply['sources'] = [];
  const metrics: MetricValue[] = [];
  for (const { id: source } of deps.plan.sources) {
    const { point, datedAhead } = await newestWhole(deps.vault, source, deps.now());
    const ahead = datedAhead.length > 0 ? { datedAhead: datedAhead.slice(0, mostNamed) } : {};
    if (datedAhead.length > 0)
      metrics.push({
        name: metricNames.verificationFailedTotal,
        unit: 'Count',
        value: datedAhead.length,
        source,
      });
    if (point === undefined) {
      sources.push({ source, ...ahead });
      continue;
    }
    const ageHours = (deps.now().getTime() - Date.parse(point.startedAt)) / 3_600_000;
    sources.push({ source, recoveryPointId: point.id, ageHours, ...ahead });
    metrics.push({ name: metricNames.backupAgeHours, unit: 'Count', value: ageHours, source });
  }
  return { reply: { sources }, metrics };
}

/** More ids in a reply help nobody. */
const mostNamed = 10;

/** None is an answer; a vault that does not answer is none, and the metric that is missing then rings as well. */
async function newestWhole(
  vault: DeadManDependencies['vault'],
  source: string,
  now: Date,
): Promise<{ readonly point?: Manifest; readonly datedAhead: readonly string[] }> {
  try {
    const { manifest, passedOver } = await vault.open(source, 'latest', { depth: 'listed', now });
    const datedAhead = passedOver.filter(({ code }) => code === 'RECOVERY_POINT_DATED_AHEAD');
    return { point: manifest, datedAhead: datedAhead.map(({ id }) => id) };
  } catch (error) {
    if (isHoldfastError(error, 'RECOVERY_POINT_DATED_AHEAD'))
      return { datedAhead: [String(error.detail?.['recoveryPointId'])] };
    if (noPointCodes.some((code) => isHoldfastError(error, code))) return { datedAhead: [] };
    throw error;
  }
}

const noPointCodes = [
  'SOURCE_NOT_FOUND',
  'RECOVERY_POINT_NOT_FOUND',
  'RECOVERY_POINT_ARRIVING',
  'MANIFEST_INVALID',
  'MANIFEST_TOO_NEW',
  'MANIFEST_SIGNATURE',
] as const;
