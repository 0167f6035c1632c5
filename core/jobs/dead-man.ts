import type { CatalogStore } from '../catalog/catalog-store.ts';
import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import type { Plan } from '../plan/plan.ts';
import type { DeadManReply, Reported } from './messages.ts';
import { metricNames, type MetricValue } from './metrics.ts';

const pageSize = 100;
/** Points that are not protected pile up only while the other Region is down: 1,000 are ten days of a backup every 15 minutes. */
const maxPages = 10;

export interface DeadManDependencies {
  readonly catalog: Pick<CatalogStore, 'listRecoveryPoints'>;
  readonly plan: Pick<Plan, 'sources'>;
  readonly now: () => Date;
}

/**
 * How old the newest protected point of every source is, as this Region's replica of the catalogue knows it: an alarm here
 * sounds although the Region that should back up is gone. A source without any gives no value, and its alarm breaches on
 * missing data. The age counts from the start of the backup, because that is how old the data is.
 */
export async function measureAges(deps: DeadManDependencies): Promise<Reported<DeadManReply>> {
  const sources: DeadManReply['sources'] = [];
  const metrics: MetricValue[] = [];
  for (const { id: source } of deps.plan.sources) {
    const point = await newestProtected(deps.catalog, source);
    if (point === undefined) {
      sources.push({ source });
      continue;
    }
    const ageHours = (deps.now().getTime() - Date.parse(point.startedAt)) / 3_600_000;
    sources.push({ source, recoveryPointId: point.id, ageHours });
    metrics.push({ name: metricNames.backupAgeHours, unit: 'Count', value: ageHours, source });
  }
  return { reply: { sources }, metrics };
}

async function newestProtected(
  catalog: DeadManDependencies['catalog'],
  source: string,
): Promise<RecoveryPoint | undefined> {
  let before: string | undefined;
  for (let page = 0; page < maxPages; page += 1) {
    const points = await catalog.listRecoveryPoints({ source, limit: pageSize, before });
    const found = points.find(({ state }) => state === 'protected');
    if (found !== undefined || points.length < pageSize) return found;
    before = points.at(-1)?.id;
  }
  return undefined;
}
