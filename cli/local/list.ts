import fs from 'node:fs';
import pLimit from 'p-limit';
import { HoldfastError } from '../../core/errors.ts';
import { describePassedOver } from '../../core/vault/passed-over.ts';
import type { ListedRecoveryPoint, PassedOverRecoveryPoint, Vault } from '../../core/vault/vault.ts';
import { counted, formatBytes } from '../progress.ts';
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
    const onStrayFolder = (folder: string) => command.warn(`${folder} is no source; it was passed over`);
    const known = await vault.listSources({ onStrayFolder });
    if (known.length === 0) await refuseOtherFolder(options.vault);
    if (options.source !== undefined && !known.includes(options.source)) {
      const has = known.length === 0 ? 'none' : known.join(', ');
      throw new HoldfastError('SOURCE_NOT_FOUND', `the vault has no source ${options.source}; it has ${has}`);
    }
    const sources = options.source === undefined ? known : [options.source];
    const limit = pLimit(4);
    const found = await Promise.all(
      sources.map((source) => limit(() => listSource(vault, source, command.warn))),
    );
    const listed = found.flatMap(({ points }) => points);
    const leftOut = found.reduce((sum, one) => sum + one.leftOut, 0);
    if (listed.length === 0 && leftOut > 0) throw nothingUsable(vault, leftOut);
    const points = listed
      .map(({ manifest, state, missing }) => {
        if (state === 'arriving')
          command.warn(
            `${manifest.id} is not complete: ${counted(missing.length, 'object')} missing in the vault`,
          );
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
): Promise<{ readonly points: ListedRecoveryPoint[]; readonly leftOut: number }> {
  const passedOver: PassedOverRecoveryPoint[] = [];
  const points = await vault.list(source, {
    depth: 'listed',
    onPassedOver: (point) => passedOver.push(point),
  });
  const words = { which: '', fate: 'left out' };
  for (const line of describePassedOver(passedOver, words)) warn(`${source}: ${line}`);
  return { points, leftOut: passedOver.length };
}

/** Of a place without a source: a folder full of something else is no empty vault but a mistyped path. @throws VAULT_NOT_FOUND */
async function refuseOtherFolder(url: string): Promise<void> {
  const { openObjectStore, parseVaultUrl } = await import('../../core/vault/open-vault.ts');
  const { vaultKeyIdOf } = await import('../../core/vault/vault-key.ts');
  const location = parseVaultUrl(url);
  if (location.kind !== 'directory') return;
  // A first backup that was stopped leaves an empty folder, or no more than a vault's own folders.
  if (fs.readdirSync(location.path).every((name) => name === 'v1' || name === 'vault')) return;
  if ((await vaultKeyIdOf(await openObjectStore({ url }))) !== undefined) return;
  throw new HoldfastError(
    'VAULT_NOT_FOUND',
    `there is no vault at ${location.path}: nothing there is Holdfast's`,
    {
      hint: 'is the path right? holdfast local backup makes the vault with its first recovery point',
    },
  );
}

/** An empty list would say that there never was a backup. */
function nothingUsable({ url }: Vault, leftOut: number): HoldfastError {
  const message = `of the ${counted(leftOut, 'recovery point')} in ${url} none can be used`;
  return new HoldfastError('RECOVERY_POINT_NOT_FOUND', message, {
    hint: 'the warnings say why; holdfast local verify ID says what is wrong with one of them',
  });
}
