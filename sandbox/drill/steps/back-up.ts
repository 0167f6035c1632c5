import { type Drill, made } from '../drill-context.ts';
import { sayBytes, sayCount } from '../report/words.ts';
import { openCatalog, runMachine } from './run-machine.ts';

/** One run of the backup machine, started with the input its schedule gives it. */
export async function backUp(drill: Drill, name: string): Promise<void> {
  const { state } = drill;
  const plan = made(state.plan, 'plan');
  const source = made(plan.sources[0], 'source').id;
  const region = plan.regions.primary;
  await drill.step(name, 'primary', async (display) => {
    const scheduledFor = new Date().toISOString();
    const job = await runMachine(
      drill,
      { region, machine: 'backup', input: { source, scheduledFor } },
      display,
    );
    const id = made(job.result.recoveryPointId, 'recovery point');
    const point = await openCatalog(drill, region).getRecoveryPoint(source, id);
    if (point?.state !== 'protected')
      throw new Error(`recovery point ${id} is ${point?.state ?? 'not recorded'}, not protected`);
    state.recoveryPoints.push({
      id,
      rows: point.rows,
      bytes: point.bytes,
      storedBytes: point.storedBytes,
      finishedAt: new Date(),
    });
    return `${sayCount(point.rows)} rows, ${sayBytes(point.bytes)} stored as ${sayBytes(point.storedBytes)}; protected: ${plan.regions.standby} has every object, checked and locked`;
  });
}
