import type { JobKind, JobProgress } from '../catalog/job.ts';
import { assertNever } from '../errors.ts';

/** What a running job does at this moment, for the live line of whoever watches it. */
export function describeActivity(kind: JobKind, progress: JobProgress | undefined): string {
  if (progress === undefined) return 'the task is starting';
  const rowsAreDone = progress.fraction >= 1;
  const { step = kind === 'backup' ? 'back up' : 'restore' } = progress;
  switch (step) {
    case 'back up':
      return rowsAreDone ? 'every row is read; storing the rest and checking the copy' : 'backing up';
    case 'check objects':
      return 'checking the stored objects';
    case 'restore':
      return rowsAreDone ? 'every row is in; making indexes and keys' : 'restoring';
    case 'check data':
      return 'checking the restored data';
    default:
      return assertNever(step);
  }
}

/** Whether rows are moving, so that count, rate and time left mean something. */
export function isMovingRows(progress: JobProgress): boolean {
  const { step = 'restore', fraction } = progress;
  return fraction < 1 && (step === 'back up' || step === 'restore');
}
