import { checkPlan, planError, readPlanText } from '../../core/plan/load-plan.ts';
import { notAllSeen } from '../exit-codes.ts';
import { runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { type Deployment, type DeploymentOptions, openDeployment } from './deployment.ts';
import { checkRegion, checkSurroundings } from './doctor-checks.ts';
import { checkConnections } from './doctor-connections.ts';
import { type Diagnosis, type Finding, foldSilence } from './doctor-look.ts';
import { publishTestPage } from './doctor-alarms.ts';
import { commandIn } from './in-region.ts';
import { lookAtRegions } from './doctor-regions.ts';
import { checkPinnedKey } from './doctor-signing-key.ts';
import { checkStacks } from './doctor-stacks.ts';

export interface DoctorOptions extends DeploymentOptions {
  readonly page?: boolean;
}

/**
 * `holdfast doctor`: the plan, then credentials and Regions, and only then what can be judged in those that answer. Every
 * fault comes with its exact fix; exit code 1 when there is one, 6 when there is none but something could not be judged.
 * `--region` asks that Region alone.
 */
export async function runDoctor(options: DoctorOptions): Promise<void> {
  await runCommand(options, async ({ progress }) => {
    const { problems, notes } = checkPlan(await readPlanText(options.plan), options.plan);
    if (problems.length > 0) throw planError(problems);
    const deployment = await openDeployment(options);
    const { primary, standby } = deployment.plan.regions;
    const regions = options.region === undefined ? [primary, standby] : [options.region];
    progress.update({ doing: `asking ${regions.join(' and ')} who calls` });
    const { checks, open } = await lookAtRegions(deployment, regions);
    progress.update({ doing: `looking at ${open.join(' and ')}` });
    const { findings, wrote } = await lookInside(deployment, open, options.page === true);
    const detail = `sound, ${notes.length} ${notes.length === 1 ? 'note' : 'notes'}`;
    const found: Diagnosis[] = [
      { what: 'plan', region: '-', state: 'ok', detail },
      ...checks,
      ...foldSilence(findings),
    ];
    const count = (state: Diagnosis['state']) => found.filter((one) => one.state === state).length;
    const faults = count('FAULT');
    const unknown = count('unknown');
    return {
      json: { ok: faults + unknown === 0, faults, unknown, checks: found },
      text: [describe(found), ...newsOf(wrote)].join('\n'),
      exitCode: faults > 0 ? 1 : unknown > 0 ? notAllSeen : 0,
    };
  });
}

interface Inside {
  readonly findings: readonly Finding[];
  readonly wrote?: string;
}

/** Everything that needs a Region that answers. */
async function lookInside(
  deployment: Deployment,
  regions: readonly string[],
  page: boolean,
): Promise<Inside> {
  if (regions.length === 0) return { findings: page ? [unpublished(deployment)] : [] };
  const stacks = await Promise.all(regions.map((region) => checkStacks(deployment, region)));
  const deployed = regions.filter((_, index) => stacks[index]?.deployed === true);
  const [pinned, connections, ...rest] = await Promise.all([
    deployed.length === 0 ? undefined : checkPinnedKey(deployment, deployed),
    checkConnections(deployment, regions),
    ...deployed.map((region) => checkRegion(deployment, region)),
    ...regions.map((region) => checkSurroundings(deployment, region)),
  ]);
  const findings: Finding[] = [
    ...stacks.flatMap((one) => one.findings),
    ...rest.flat(),
    ...connections,
    ...(pinned?.checks ?? []),
  ];
  if (page) {
    const canPublish = deployed.includes(deployment.region);
    findings.push(canPublish ? await publishTestPage(deployment) : unpublished(deployment));
  }
  return { findings, ...(pinned?.wrote !== undefined && { wrote: pinned.wrote }) };
}

/** The Region whose topic would have got the page has none, or was not looked at; why is said already. */
function unpublished({ region, peerRegion, planFile }: Deployment): Finding {
  return {
    what: 'test page',
    region,
    state: 'FAULT',
    detail: `not published: in ${region} there is no topic that answers`,
    fix: `once the fault above is gone: ${commandIn({ planFile }, region, 'doctor --page')}; the other Region's topic: ${commandIn({ planFile }, peerRegion, 'doctor --page')}`,
  };
}

function describe(found: readonly Diagnosis[]): string {
  const rows = found.map(({ state, region, what, detail }) => [state, region, what, detail]);
  const fixes = found.flatMap(({ region, what, fix }) =>
    fix === undefined ? [] : [`fix ${what}${region === '-' ? '' : ` in ${region}`}: ${fix}`],
  );
  return [table(['', 'REGION', 'WHAT', 'DETAIL'], rows), ...fixes, conclusion(found)].join('\n');
}

function conclusion(found: readonly Diagnosis[]): string {
  const count = (state: Diagnosis['state']) => found.filter((one) => one.state === state).length;
  const faults = count('FAULT');
  const unknown = count('unknown');
  const judged = faults === 0 ? 'no fault' : faults === 1 ? '1 fault' : `${faults} faults`;
  return unknown === 0 ? judged : `${judged}; ${unknown} unknown, which is not the same as fine`;
}

function newsOf(wrote: string | undefined): string[] {
  if (wrote === undefined) return [];
  return [
    `wrote ${wrote}: the public half of the key that signs manifests. With it holdfast verify --offline needs no KMS, and the next doctor tells when the key in KMS is another one. It is no secret: commit it with the plan.`,
  ];
}
