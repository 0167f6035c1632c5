import type { LockMode, Manifest } from './manifest.ts';
import type { ObjectFacts } from './object-store.ts';

/** Until when an object is kept, and from whom. */
export interface ObjectLock {
  readonly until: Date;
  readonly mode: LockMode;
}

/** The lock that every object of a recovery point has to carry; `undefined` when the point was made without locks. */
export function promisedLock({
  lockedUntil,
  lockMode = 'compliance',
}: Pick<Manifest, 'lockedUntil' | 'lockMode'>): ObjectLock | undefined {
  return lockedUntil === undefined ? undefined : { until: new Date(lockedUntil), mode: lockMode };
}

/** Whether an object is locked for as long and as firmly as promised: more than that is fine, less is not. */
export function keepsLock(facts: ObjectFacts, { until, mode }: ObjectLock): boolean {
  if (facts.lockedUntil === undefined) return false;
  // S3 keeps whole seconds of a retention date.
  const isLong = facts.lockedUntil.getTime() >= until.getTime() - 999;
  return isLong && (facts.lockMode === 'compliance' || facts.lockMode === mode);
}
