import { decodeTime } from 'ulid';
import { isAhead } from '../clock-skew.ts';
import type { Manifest } from './manifest.ts';

/**
 * Whether a recovery point says that it was begun later than now, by its id or its own word. Its age tells nothing then, and it
 * would count as the newest until that time comes.
 */
export function isDatedAhead({ id, startedAt }: Pick<Manifest, 'id' | 'startedAt'>, now: Date): boolean {
  return isAhead(new Date(decodeTime(id)), now) || isAhead(new Date(startedAt), now);
}
