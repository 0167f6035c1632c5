import { setTimeout as sleep } from 'node:timers/promises';
import type { CatalogStore } from '../catalog/catalog-store.ts';
import type { CanaryWriter } from '../engines/postgres/canary-table.ts';
import { HoldfastError } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import type { CanaryReply, Reported } from './messages.ts';
import { metricNames } from './metrics.ts';

/** One run of the schedule: EventBridge Scheduler counts in minutes. */
const runSeconds = 60;

export interface WriteCanariesDependencies {
  readonly catalog: Pick<CatalogStore, 'control'>;
  readonly plan: Pick<Plan, 'regions' | 'sources'>;
  readonly region: string;
  readonly source: string;
  /** Asked only where canaries are written. */
  readonly open: () => Promise<CanaryWriter>;
  readonly now: () => Date;
}

/**
 * Writes the rows of one run: one, or one after another within the minute. Only in the active Region: a source that was
 * restored beside must not look as if it were still the one that lives. Safe to repeat; a row more harms nothing.
 * @throws what the database says; the schedule's next run tries again, and the alarm counts runs that wrote nothing
 */
export async function writeCanaries(deps: WriteCanariesDependencies): Promise<Reported<CanaryReply>> {
  const { source } = deps;
  const everySeconds = deps.plan.sources.find(({ id }) => id === source)?.canary?.everySeconds;
  if (everySeconds === undefined)
    throw new HoldfastError('SOURCE_NOT_FOUND', `the plan has no source ${source} with a canary`);
  // Only of a run that goes well: one that fails, or never begins, is silent, and silence rings.
  const metrics = [{ name: metricNames.canaryNotWritten, unit: 'Count', value: 0, source }] as const;
  const control = await deps.catalog.control();
  // Nothing has run yet before the first job's claim, which takes the primary.
  const active = control?.activeRegion ?? deps.plan.regions.primary;
  if (active !== deps.region) return { reply: { source, state: 'stoodDown', rows: 0 }, metrics };
  const rows = Math.max(1, Math.floor(runSeconds / everySeconds));
  const writer = await deps.open();
  const begun = performance.now();
  let seq = 0;
  try {
    for (let row = 0; row < rows; row += 1) {
      const due = row * everySeconds * 1000;
      await sleep(Math.max(0, due - (performance.now() - begun)));
      ({ seq } = await writer.write(deps.now()));
    }
  } finally {
    await writer.close();
  }
  return { reply: { source, state: 'written', rows, seq }, metrics };
}
