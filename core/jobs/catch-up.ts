import type { RecoveryPoint } from '../catalog/recovery-point.ts';
import { isUnreadable } from '../vault/recovery-point-writer.ts';
import { type CheckCopyDependencies, checkPoint, wrongIn } from './check-point.ts';

/** Time for earlier points, of the 15 minutes that the function has: a point of 1,000 objects takes seconds. */
const catchUpSeconds = 300;

/** An earlier point that was looked at again. */
export interface EarlierPoint {
  readonly id: string;
  readonly state: RecoveryPoint['state'];
  /** The first thing that keeps it from being protected. */
  readonly code?: string;
  /** The time allowed for its copy is over. */
  readonly late: boolean;
  /** Objects that differ or are not locked, which waiting does not heal; 1 for a manifest that cannot be used. */
  readonly wrong: number;
}

/**
 * Looks again at points of earlier runs that still wait for their copy, as many as there is time for. It begins anywhere among
 * them and goes round, so that points that never get right do not keep the others from their turn. Points made elsewhere are
 * that Region's business.
 */
export async function catchUp(deps: CheckCopyDependencies, own: RecoveryPoint): Promise<EarlierPoint[]> {
  const waiting = await waitingPoints(deps, own);
  const begin = Math.floor(deps.random() * waiting.length);
  const until = deps.now().getTime() + catchUpSeconds * 1000;
  const found: EarlierPoint[] = [];
  for (const record of [...waiting.slice(begin), ...waiting.slice(0, begin)]) {
    if (deps.now().getTime() >= until) break;
    const look = await lookAgain(deps, record);
    if (look === 'unreachable') break;
    found.push(look);
  }
  return found;
}

async function waitingPoints(deps: CheckCopyDependencies, own: RecoveryPoint): Promise<RecoveryPoint[]> {
  const limit = 1000;
  const waiting: RecoveryPoint[] = [];
  let before: string | undefined;
  for (;;) {
    const page = await deps.catalog.listRecoveryPoints({ source: own.source, limit, before });
    waiting.push(
      ...page.filter(
        ({ id, region, state }) => id !== own.id && region === own.region && state !== 'protected',
      ),
    );
    if (page.length < limit) return waiting.toReversed();
    before = page.at(-1)?.id;
  }
}

async function lookAgain(
  deps: CheckCopyDependencies,
  { source, id, state, lockedUntil }: RecoveryPoint,
): Promise<EarlierPoint | 'unreachable'> {
  try {
    const { point, comparison, late } = await checkPoint(deps, source, id);
    if (comparison.answer === 'unreachable') return 'unreachable';
    const code = comparison.answer === 'incomplete' ? comparison.problems[0]?.code : undefined;
    return { id, state: point.state, late, wrong: wrongIn(comparison), ...(code !== undefined && { code }) };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    // A recorded point whose manifest is gone, damaged or forged is a backup less, unless it was kept for as long as promised.
    const expired = lockedUntil !== undefined && Date.parse(lockedUntil) < deps.now().getTime();
    const wrong = expired || error.code === 'MANIFEST_TOO_NEW' ? 0 : 1;
    return { id, state, code: error.code, late: false, wrong };
  }
}
