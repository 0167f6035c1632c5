import pLimit from 'p-limit';
import { HoldfastError } from '../../core/errors.ts';
import { describePassedOver } from '../../core/vault/passed-over.ts';
import type { ListedRecoveryPoint, PassedOverRecoveryPoint, Vault } from '../../core/vault/vault.ts';
import { formatBytes } from '../progress.ts';
import { type CommonOptions, runCommand } from '../run-command.ts';
import { formatTime, table } from '../tables.ts';
import { openLocalVault, requireSource, type VaultOptions } from './vault-place.ts';

export interface LocalListOptions extends CommonOptions, VaultOptions {
  readonly source?: string;
}

/** `holdfast local list` */
export async function localList(options: LocalListOptions): Promise<void> {
  await runCommand(options, async (command) => {
    if (options.source !== undefined) requireSource(options.source);
    const vault = await openLocalVault(options, { mayCreateKey: false, warn: command.warn });
    const known = await vault.listSources();
    if (options.source !== undefined && !known.includes(options.source)) {
      const has = known.length === 0 ? 'none' : known.join(', ');
      throw new HoldfastError('SOURCE_NOT_FOUND', `the vault has no source ${options.source}; it has ${has}`);
    }
    const sources = options.source === undefined ? known : [options.source];
    const limit = pLimit(4);
    const listed = (
      await Promise.all(sources.map((source) => limit(() => listSource(vault, source, command.warn))))
    ).flat();
    const points = listed
      .map(({ manifest, state, missing }) => {
        if (state === 'arriving')
          command.warn(`${manifest.id} is not complete: ${missing.length} objects are missing`);
        const { id, source, type, finishedAt, totals } = manifest;
        return {
          recoveryPointId: id,
          source,
          type,
          finishedAt,
          items: totals.items,
          storedBytes: totals.storedBytes,
        };
      })
      .toSorted((a, b) => b.recoveryPointId.localeCompare(a.recoveryPointId));
    const rows = points.map((p) => [
      p.recoveryPointId,
      p.source,
      p.type,
      formatTime(p.finishedAt),
      String(p.items),
      formatBytes(p.storedBytes),
    ]);
    return {
      json: points,
      text:
        points.length === 0
          ? 'no recovery points'
          : table(['RECOVERY POINT', 'SOURCE', 'TYPE', 'FINISHED', 'ITEMS', 'STORED'], rows),
    };
  });
}

/** What the listing tells is enough to see what there is; verify looks closer. */
async function listSource(
  vault: Vault,
  source: string,
  warn: (message: string) => void,
): Promise<ListedRecoveryPoint[]> {
  const passedOver: PassedOverRecoveryPoint[] = [];
  const points = await vault.list(source, {
    depth: 'listed',
    onPassedOver: (point) => passedOver.push(point),
  });
  const words = { which: '', fate: 'left out' };
  for (const line of describePassedOver(passedOver, words)) warn(`${source}: ${line}`);
  return points;
}
