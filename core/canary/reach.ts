import * as z from 'zod';
import type { Manifest } from '../vault/manifest.ts';
import { recordedCanarySchema } from './canary.ts';

/** How far data reaches. What a canary says is measured; a snapshot's time is only what the server's clock said. */
export interface Reach {
  readonly at: string;
  readonly by: 'canary' | 'snapshot';
}

const positionSchema = z.looseObject({ snapshotTime: z.iso.datetime() });

/** When the snapshot of a recovery point was taken; its begin where the engine does not say. */
export function snapshotReach({ position, startedAt }: Pick<Manifest, 'position' | 'startedAt'>): Reach {
  const taken = positionSchema.safeParse(position);
  return { at: taken.success ? taken.data.snapshotTime : startedAt, by: 'snapshot' };
}

/** What a manifest records; whether its canary is genuine is found out by a restore. */
export function recordedReach(manifest: Pick<Manifest, 'position' | 'startedAt' | 'canary'>): Reach {
  const canary = recordedCanarySchema.safeParse(manifest.canary);
  return canary.success ? { at: canary.data.writtenAt, by: 'canary' } : snapshotReach(manifest);
}
