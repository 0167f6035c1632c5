import { executeRebuild, planRebuild } from '../../core/catalog/rebuild-catalog.ts';
import { openObjectStore } from '../../core/vault/open-vault.ts';
import { runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { type DeploymentOptions, inRegion, openCatalog, openDeployment } from './deployment.ts';
import { openDeployedVault } from './vault.ts';

export interface RebuildOptions extends DeploymentOptions {
  readonly dryRun?: boolean;
}

/** `holdfast catalog rebuild`: first the plan, then, unless it is a dry run, its execution. Nothing is ever removed. */
export async function rebuildCatalog(options: RebuildOptions): Promise<void> {
  await runCommand(options, async ({ progress, warn }) => {
    const deployment = await openDeployment(options);
    const { names, region, peerRegion } = deployment;
    progress.update({ doing: `reading the vault in ${region}` });
    return inRegion(deployment, async () => {
      const catalog = await openCatalog(deployment);
      // A Region that is gone must not keep the other from being read: its silence is soon enough.
      const peer = { url: `s3://${names.vaultBucket(peerRegion)}`, region: peerRegion, retrySeconds: 5 };
      const stores = {
        own: await openObjectStore({ url: `s3://${names.vaultBucket(region)}`, region }),
        peer: await openObjectStore(peer),
      };
      const vault = await openDeployedVault(deployment);
      const plan = await planRebuild({ vault, catalog, stores, region, now: () => new Date() });
      for (const { source, id } of plan.notInVault)
        warn(`${source} ${id} is in the catalogue but not in this vault; it is kept`);
      const changes = plan.entries.filter(({ action }) => action !== 'keep');
      const rows = changes.map(({ action, point, from }) => [
        action,
        point.source,
        point.id,
        from ?? '-',
        point.state,
      ]);
      const done = options.dryRun === true ? undefined : await executeRebuild({ catalog }, plan);
      const counts = `${plan.entries.length} recovery points in the vault of ${region}, ${changes.length} ${done === undefined ? 'would change' : 'written'}`;
      return {
        json: {
          region,
          dryRun: done === undefined,
          entries: changes.map(({ action, point, from }) => ({
            action,
            source: point.source,
            id: point.id,
            from,
            state: point.state,
          })),
          notInVault: plan.notInVault,
          ...done,
        },
        text:
          rows.length === 0
            ? counts
            : `${table(['ACTION', 'SOURCE', 'RECOVERY POINT', 'FROM', 'TO'], rows)}\n${counts}`,
      };
    });
  });
}
