import type { PeerStore } from '../../core/catalog/compare-copy.ts';
import { executeRebuild, planRebuild, type RebuildPlan } from '../../core/catalog/rebuild-catalog.ts';
import { openObjectStore } from '../../core/vault/open-vault.ts';
import { type CommandResult, runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { notAllSeen } from '../exit-codes.ts';
import { type Deployment, type DeploymentOptions, openCatalog, openDeployment } from './deployment.ts';
import { commandIn, inRegion } from './in-region.ts';
import { openDeployedVault } from './vault.ts';

export interface RebuildOptions extends DeploymentOptions {
  readonly dryRun?: boolean;
  /** The other Region is known to be lost: it is not asked at all. */
  readonly peerLost?: boolean;
}

/** How long an unanswered question to the other Region is repeated: somebody waits, and the vault here is what counts. */
const peerRetrySeconds = 1;

/**
 * `holdfast catalog rebuild`: first the plan, then, unless it is a dry run, its execution. Nothing is ever removed; exit code 1
 * when the vault holds points that nobody can restore, else 6 when the other Region's copies could not be looked at.
 */
export async function rebuildCatalog(options: RebuildOptions): Promise<void> {
  await runCommand(options, async ({ progress, warn }) => {
    const deployment = await openDeployment(options);
    const { region, peerRegion } = deployment;
    progress.update({ doing: `reading the vault in ${region}` });
    const dry = options.dryRun === true ? ' --dry-run' : '';
    const question = {
      undone: dry === '' ? 'the catalogue was not rebuilt' : 'what a rebuild would change is not known',
      instead: commandIn(deployment, peerRegion, `catalog rebuild${dry} --peer-lost`),
    };
    return inRegion(deployment, question, async () => {
      const [catalog, vault, peer] = await Promise.all([
        openCatalog(deployment),
        openDeployedVault(deployment),
        options.peerLost === true ? undefined : openPeer(deployment),
      ]);
      const plan = await planRebuild({
        vault,
        catalog,
        region,
        now: () => new Date(),
        ...(peer !== undefined && { peer }),
      });
      for (const folder of plan.strayFolders) warn(`${folder} is no source of a plan; it was passed over`);
      for (const { source, id } of plan.notInVault)
        warn(`${source} ${id} is in the catalogue but not in this vault; it is kept`);
      const alone = peer !== undefined && plan.notCompared > 0;
      if (alone)
        warn(
          `${peerRegion} does not answer: the copies there were not looked at; if it is lost: ${commandIn(deployment, region, `catalog rebuild${dry} --peer-lost`)}`,
        );
      const done = options.dryRun === true ? undefined : await executeRebuild({ catalog }, plan);
      const reported = reportRebuild(plan, deployment, done);
      return alone && reported.exitCode === 0 ? { ...reported, exitCode: notAllSeen } : reported;
    });
  });
}

/** Exit code 1 when the vault holds points that nobody can restore, whether or not the rest was recorded. */
export function reportRebuild(
  plan: RebuildPlan,
  regions: Pick<Deployment, 'region' | 'peerRegion'>,
  done: Awaited<ReturnType<typeof executeRebuild>> | undefined,
): CommandResult {
  const changes = plan.entries.filter(({ action }) => action !== 'keep');
  return {
    json: {
      region: regions.region,
      dryRun: done === undefined,
      entries: changes.map(({ action, point, from }) => ({
        action,
        source: point.source,
        id: point.id,
        from,
        state: point.state,
      })),
      notInVault: plan.notInVault,
      damaged: plan.damaged,
      strayFolders: plan.strayFolders,
      notCompared: plan.notCompared,
      ...done,
    },
    text: describeRebuild(plan, regions, done !== undefined),
    exitCode: plan.damaged.length === 0 ? 0 : 1,
  };
}

/** The other Region's bucket, to tell protected from stored. */
function openPeer({ names, peerRegion }: Deployment): Promise<PeerStore> {
  const url = `s3://${names.vaultBucket(peerRegion)}`;
  return openObjectStore({ url, region: peerRegion, retrySeconds: peerRetrySeconds });
}

/** What was found and what became of it, in words that need no knowledge of how a rebuild works. */
export function describeRebuild(
  plan: RebuildPlan,
  { region, peerRegion }: Pick<Deployment, 'region' | 'peerRegion'>,
  executed: boolean,
): string {
  const count = plan.entries.length;
  const points = (n: number) => (n === 1 ? '1 recovery point' : `${n} recovery points`);
  const changes = plan.entries.filter(({ action }) => action !== 'keep');
  const lines = [
    `${points(count)} in the vault of ${region}, ${countChanges(count, changes.length, executed)}`,
  ];
  if (plan.damaged.length > 0)
    lines.push(
      `${points(plan.damaged.length)} damaged and not recorded: ${plan.damaged.map(({ source, id, code }) => `${source} ${id} (${code})`).join(', ')}; is the copy in ${peerRegion} whole?`,
    );
  if (plan.notCompared > 0)
    lines.push(
      `${points(plan.notCompared)} not compared with the copy in ${peerRegion}: rebuild again, without --peer-lost, once it answers`,
    );
  if (changes.length === 0) return lines.join('\n');
  const rows = changes.map(({ action, point, from }) => [
    action,
    point.source,
    point.id,
    from ?? '-',
    point.state,
  ]);
  return [table(['ACTION', 'SOURCE', 'RECOVERY POINT', 'FROM', 'TO'], rows), ...lines].join('\n');
}

function countChanges(points: number, changes: number, executed: boolean): string {
  if (points === 0) return 'nothing to record';
  if (changes === 0) return points === 1 ? 'known already' : 'all known already';
  return `${changes} ${executed ? 'written' : 'would change'}`;
}
