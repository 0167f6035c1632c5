import { HoldfastError } from '../errors.ts';
import type { ClaimConflict, ClaimInput, Control, JobRef } from './catalog-store.ts';

/** The refusals that both catalogue stores give in the same words. */
export function alreadyRunning(input: ClaimInput, conflict: ClaimConflict): HoldfastError {
  const what =
    conflict.by === 'claim'
      ? `the ${input.kind} of ${input.source} for ${input.scheduledFor.toISOString()} was claimed before, by job ${conflict.jobId}`
      : `job ${conflict.jobId} holds the ${input.kind} lease of ${input.source} until ${conflict.until}`;
  return new HoldfastError('JOB_ALREADY_RUNNING', what, {
    hint: 'is that job still running? holdfast jobs shows it; its lease ends by itself when it died',
    detail: { ...conflict },
  });
}

export function staleEpoch(input: Pick<ClaimInput, 'epoch'>, control: Control | undefined): HoldfastError {
  return new HoldfastError(
    'STALE_EPOCH',
    `the order carries epoch ${input.epoch}, the catalogue is at ${control?.epoch ?? 'none'}`,
    { hint: 'did a failover happen meanwhile? start again in the Region that is active now' },
  );
}

export function jobNotFound({ source, id }: JobRef): HoldfastError {
  return new HoldfastError('JOB_NOT_FOUND', `no job ${id} of ${source} is in the catalogue`);
}

export function leaseLost(
  jobId: string,
  now: { readonly jobId?: string; readonly state?: string } | undefined,
): HoldfastError {
  const what =
    now?.state !== undefined
      ? `has ended (${now.state})`
      : now?.jobId !== undefined
        ? `lost its lease to job ${now.jobId}`
        : 'holds no lease any more';
  return new HoldfastError('LEASE_LOST', `job ${jobId} ${what}`, {
    hint: 'was the task cut off from the catalogue for longer than its lease?',
    detail: { jobId, ...now },
  });
}
