import { checkPlan, planError, readPlanText } from '../../core/plan/load-plan.ts';
import { runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { type DeploymentOptions, openDeployment } from './deployment.ts';
import { checkPinnedKey } from './doctor-signing-key.ts';
import { checkRegion, diagnose, type Diagnosis, publishTestPage } from './doctor-checks.ts';
import { lockOfVault } from './doctor-lock.ts';
import { trail } from './doctor-trail.ts';

export interface DoctorOptions extends DeploymentOptions {
  readonly page?: boolean;
}

/** `holdfast doctor`: every fault with its exact fix; exit code 1 when there is one. */
export async function runDoctor(options: DoctorOptions): Promise<void> {
  await runCommand(options, async ({ progress }) => {
    const { problems, notes } = checkPlan(await readPlanText(options.plan), options.plan);
    if (problems.length > 0) throw planError(problems);
    const deployment = await openDeployment(options);
    const { primary, standby } = deployment.plan.regions;
    const found: Diagnosis[] = [
      { what: 'plan', region: '-', ok: true, detail: `sound, ${notes.length} notes` },
    ];
    // Together: a Region that is lost makes each look wait.
    progress.update({ doing: `looking at ${primary} and ${standby}` });
    const looks = [primary, standby].map(async (region) => [
      ...(await checkRegion(deployment, region)),
      await diagnose(lockOfVault(deployment, region), region),
      await diagnose(trail(region), region),
    ]);
    const [pinned, ...regions] = await Promise.all([checkPinnedKey(deployment), ...looks]);
    found.push(...regions.flat(), ...pinned.checks);
    if (options.page === true) found.push(await publishTestPage(deployment));
    const faults = found.filter(({ ok }) => !ok);
    const rows = found.map(({ ok, region, what, detail }) => [ok ? 'ok' : 'FAULT', region, what, detail]);
    const fixes = faults.map(
      ({ region, what, fix }) => `fix ${what} in ${region}: ${fix ?? 'see the detail'}`,
    );
    const news =
      pinned.wrote === undefined
        ? []
        : [
            `wrote ${pinned.wrote}: the public half of the key that signs manifests. With it holdfast verify --offline needs no KMS, and the next doctor tells when the key in KMS is another one. It is no secret: commit it with the plan.`,
          ];
    return {
      json: { ok: faults.length === 0, checks: found },
      text: [table(['', 'REGION', 'WHAT', 'DETAIL'], rows), ...fixes, ...news].join('\n'),
      exitCode: faults.length === 0 ? 0 : 1,
    };
  });
}
