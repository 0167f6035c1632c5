import type { CheckResult } from '../../../core/engines/engine.ts';
import { HoldfastError } from '../../../core/errors.ts';
import { startPostgres } from '../../postgres/postgres-server.ts';
import { runHoldfast } from '../../run-holdfast.ts';
import { type Drill, made } from '../drill-context.ts';
import { sayCount, sayDuration, wholePointsCheck } from '../report/words.ts';
import { loseCatalogue } from './lose-catalogue.ts';
import { storeSecret } from './prepare.ts';
import { openCatalog, runMachine } from './run-machine.ts';
import { sabotage } from './sabotage.ts';
import { checkWithoutLostRegion } from './without-lost-region.ts';

/** In the standby Region alone: catalogue, recovery point, new database, restore. */
export async function recover(drill: Drill): Promise<void> {
  const { state } = drill;
  const plan = made(state.plan, 'plan');
  const region = plan.regions.standby;
  const source = made(plan.sources[0], 'source').id;
  await sabotage(drill, 'object');
  await drill.step('rebuild the catalogue', 'standby', async () => {
    const lost = await loseCatalogue(drill);
    await runHoldfast({
      sandbox: made(state.sandbox, 'sandbox'),
      planFile: made(state.planFile, 'plan file'),
      region,
      args: ['catalog', 'rebuild', '--peer-lost'],
    });
    const points = await openCatalog(drill, region).listRecoveryPoints({ source, limit: 20 });
    const usable = points.filter((point) => point.state !== 'arriving');
    state.checks.push(checkProtected(drill, new Set(usable.map(({ id }) => id))));
    state.chosen = made(usable[0], 'recovery point that can be restored').id;
    // The emptied catalogue cannot know it; the backup's step saw it.
    if (!state.recoveryPoints.some((point) => point.id === state.chosen))
      throw new Error(`recovery point ${state.chosen} was never reported protected`);
    return `${lost} records thrown away, ${points.length} recovery points found again in the vault alone; the latest that is whole is ${state.chosen}`;
  });
  await drill.step('make a new PostgreSQL 18', 'standby', async () => {
    state.restored = await startPostgres();
    await storeSecret(drill, { region: 'standby', connection: state.restored.connection });
    return 'empty server, its connection in the secret that the plan names';
  });
  await drill.step('restore', 'standby', async (display) => {
    const input = { source, recoveryPoint: state.chosen, target: made(plan.targets[0], 'target').id };
    const { result } = await runMachine(drill, { region, machine: 'restore', input }, display);
    const phases = (result.phases ?? [])
      .filter((phase) => phase.seconds >= 0.05)
      .map((phase) => `${phase.name} ${sayDuration(phase.seconds)}`)
      .join(', ');
    return [`${sayCount(result.rows)} rows in ${result.items} items`, phases].filter(Boolean).join('; ');
  });
}

/** What was reported as protected must be whole in the standby Region; `usable` are the points found so. */
function checkProtected({ state }: Drill, usable: ReadonlySet<string>): CheckResult {
  const { standby } = made(state.plan, 'plan').regions;
  const promised = state.recoveryPoints.map(({ id }) => id);
  const broken = promised.filter((id) => !usable.has(id));
  return {
    name: wholePointsCheck(standby),
    ok: broken.length === 0,
    detail:
      broken.length === 0
        ? `${promised.length} points, every object found in ${standby} alone`
        : `objects of ${broken.join(', ')} are missing`,
  };
}

export const restoreTestStep = 'restore test of the other point';

/** The restore-test machine on another recovery point, with its own scratch server, torn down afterwards. */
export async function testRestore(drill: Drill): Promise<void> {
  const { state } = drill;
  const plan = made(state.plan, 'plan');
  const source = made(plan.sources[0], 'source').id;
  const other =
    state.recoveryPoints.find((point) => point.id !== state.chosen)?.id ??
    made(state.chosen, 'recovery point');
  await drill.step(restoreTestStep, 'standby', async (display) => {
    const run = {
      region: plan.regions.standby,
      machine: 'restore-test',
      input: { source, recoveryPoint: other },
    } as const;
    const { result } = await runMachine(drill, run, display);
    state.checks.push(
      ...(result.checks ?? []).map((check) => ({ ...check, name: `restore test: ${check.name}` })),
      checkWithoutLostRegion(drill, (lost) => `restore test: it did not need ${lost}`),
    );
    if (result.verdict !== 'PASSED') {
      const verdict = result.verdict ?? 'unknown';
      throw new HoldfastError('CHECK_FAILED', `the restore test of ${other} ended as ${verdict}`);
    }
    return `${other} PASSED: ${sayCount(result.rows)} rows, ${result.checks?.length ?? 0} checks, scratch server stopped`;
  });
}
