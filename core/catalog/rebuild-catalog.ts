import pLimit from 'p-limit';
import { isHoldfastError } from '../errors.ts';
import { sourcePrefix } from '../vault/layout.ts';
import type { ListedRecoveryPoint, PassedOverRecoveryPoint, Vault } from '../vault/vault.ts';
import type { CatalogStore } from './catalog-store.ts';
import { type CheckedPoint, compareCopy, type CopyComparison, type PeerStore } from './compare-copy.ts';
import { type PointState, recordOf } from './point-record.ts';
import type { RecoveryPoint, RecoveryPointState } from './recovery-point.ts';

export interface RebuildDependencies {
  readonly vault: Pick<Vault, 'listSources' | 'list'>;
  readonly catalog: Pick<CatalogStore, 'getRecoveryPoint' | 'putRecoveryPoint' | 'listRecoveryPoints'>;
  /** The other Region's objects, to tell protected from stored; without them that Region counts as gone. */
  readonly peer?: PeerStore;
  /** The Region whose vault is read; for points whose manifest names none. */
  readonly region: string;
  readonly now: () => Date;
}

/** What a rebuild would write; nothing is changed yet. */
export interface RebuildPlan {
  readonly entries: readonly RebuildEntry[];
  /** Points that the catalogue lists and this vault does not hold: lost, or not replicated yet. They are reported, not removed. */
  readonly notInVault: readonly { readonly source: string; readonly id: string }[];
  /** Points of this vault whose manifest cannot be used, and the error code that says why: nobody can restore them. A record of one stays as it is. */
  readonly damaged: readonly { readonly source: string; readonly id: string; readonly code: string }[];
  /** Folders of the vault that hold no point or have a name that no source can have: no backups of this version. */
  readonly strayFolders: readonly string[];
  /** How many points could not be held against the other Region's copy, because it was not asked or did not answer. */
  readonly notCompared: number;
}

export interface RebuildEntry {
  readonly action: 'create' | 'change' | 'keep';
  readonly point: RecoveryPoint;
  /** State in the catalogue until now. */
  readonly from?: RecoveryPointState;
  /** Whether its copy was looked at; a point that is not whole here has none to be. */
  readonly compared: boolean;
}

/** Reads the vault, one source after the other, and works out each point's record and state from its objects. */
export async function planRebuild(
  deps: RebuildDependencies,
  options: { readonly source?: string } = {},
): Promise<RebuildPlan> {
  const strayFolders: string[] = [];
  const onStrayFolder = (folder: string) => strayFolders.push(folder);
  const sources =
    options.source === undefined ? await deps.vault.listSources({ onStrayFolder }) : [options.source];
  const entries: RebuildEntry[] = [];
  const limit = pLimit(4);
  const askPeer = askUntilSilent(deps.peer);
  const damaged: RebuildPlan['damaged'][number][] = [];
  for (const source of sources) {
    const onPassedOver = (point: PassedOverRecoveryPoint) => damaged.push({ source, ...point });
    const listed = await deps.vault.list(source, { onPassedOver }).catch((error: unknown) => {
      // Anybody who may write can make such a folder; it must not stop the rebuild of the others.
      if (options.source !== undefined || !isHoldfastError(error, 'SOURCE_NOT_FOUND')) throw error;
      onStrayFolder(sourcePrefix(source));
      return [];
    });
    entries.push(...(await Promise.all(listed.map((point) => limit(() => entryFor(deps, point, askPeer))))));
  }
  return {
    entries,
    strayFolders,
    damaged,
    notInVault: await findNotInVault(
      deps,
      [...entries.map(({ point }) => point), ...damaged],
      options.source,
    ),
    notCompared: entries.filter(({ compared }) => !compared).length,
  };
}

/** Writes the plan. Idempotent, point by point: interrupted at any line it leaves a catalogue that is right as far as it goes. */
export async function executeRebuild(
  deps: Pick<RebuildDependencies, 'catalog'>,
  plan: RebuildPlan,
): Promise<{ readonly created: number; readonly changed: number; readonly kept: number }> {
  const limit = pLimit(8);
  const due = plan.entries.filter(({ action }) => action !== 'keep');
  await Promise.all(
    due.map(({ point }) => limit(() => deps.catalog.putRecoveryPoint(point, { recomputed: true }))),
  );
  const count = (action: RebuildEntry['action']) =>
    plan.entries.filter((entry) => entry.action === action).length;
  return { created: count('create'), changed: count('change'), kept: count('keep') };
}

type AskPeer = (point: CheckedPoint) => Promise<CopyComparison>;

/** A Region that was silent once is not asked for each further point: its silence would cost that long every time. */
function askUntilSilent(peer: PeerStore | undefined): AskPeer {
  let silent = peer === undefined;
  return async (point) => {
    if (peer === undefined || silent) return { answer: 'unreachable' };
    const comparison = await compareCopy(peer, point);
    if (comparison.answer === 'unreachable') silent = true;
    return comparison;
  };
}

async function entryFor(
  deps: RebuildDependencies,
  listed: ListedRecoveryPoint,
  askPeer: AskPeer,
): Promise<RebuildEntry> {
  const { manifest } = listed;
  const known = await deps.catalog.getRecoveryPoint(manifest.source, manifest.id);
  const comparison = listed.state === 'arriving' ? undefined : await askPeer(listed);
  const point = recordOf(manifest, deps.region, stateOf(deps, { listed, known, comparison }));
  const compared = comparison?.answer !== 'unreachable';
  if (known === undefined) return { action: 'create', point, compared };
  const same = known.state === point.state && known.manifestSha256 === point.manifestSha256;
  return { action: same ? 'keep' : 'change', point: same ? known : point, from: known.state, compared };
}

interface PointFacts {
  readonly listed: ListedRecoveryPoint;
  readonly known: RecoveryPoint | undefined;
  /** Missing for a point that is not whole here. */
  readonly comparison: CopyComparison | undefined;
}

function stateOf(deps: RebuildDependencies, { listed, known, comparison }: PointFacts): PointState {
  if (comparison === undefined) return { state: 'arriving', missing: Math.max(1, listed.missing.length) };
  const now = deps.now().toISOString();
  const protectedAt = known?.state === 'protected' ? known.protectedAt : now;
  switch (comparison.answer) {
    case 'complete':
      return { state: 'protected', protectedAt };
    case 'incomplete':
      return { state: 'stored' };
    default:
      // Silence of the other Region takes back nothing that was seen there before.
      if (known?.state === 'protected') return { state: 'protected', protectedAt };
      return { state: 'storedPeerDown', since: known?.state === 'storedPeerDown' ? known.since : now };
  }
}

async function findNotInVault(
  deps: RebuildDependencies,
  inVault: readonly { readonly source: string; readonly id: string }[],
  source: string | undefined,
): Promise<RebuildPlan['notInVault']> {
  const held = new Set(inVault.map((point) => `${point.source}#${point.id}`));
  const missing: { source: string; id: string }[] = [];
  const limit = 1000;
  let before: string | undefined;
  for (;;) {
    const page = await deps.catalog.listRecoveryPoints({ source, limit, before });
    for (const point of page) {
      if (!held.has(`${point.source}#${point.id}`)) missing.push({ source: point.source, id: point.id });
    }
    if (page.length < limit) return missing;
    before = page.at(-1)?.id;
  }
}
