import { assertNever } from '../errors.ts';
import type { FailedJob, Job, JobFailure, JobProgress, JobResult, RunningJob, SkippedJob } from './job.ts';
import type { RecoveryPoint } from './recovery-point.ts';

/**
 * The port to the catalogue: an index that can be rebuilt from the vault. Adapters: DynamoDB (one table, global) and an
 * in-memory fake for unit tests; both pass `catalog-store.conformance.ts`. Every write is conditional.
 */
export interface CatalogStore {
  /** {activeRegion, epoch}; read before anything acts. `undefined` until the first deployment wrote it. */
  control(): Promise<Control | undefined>;
  /** Sets the control item. @throws CONDITION_FAILED unless its epoch still is `expectedEpoch` (undefined: must not exist). */
  setControl(control: Control, expectedEpoch: number | undefined): Promise<void>;

  /**
   * Claims a run by (source, kind, scheduledFor) and takes the lease (see {@link leaseName}) in one transaction. The same
   * claim again by the same owner returns the same job (Step Functions retries).
   * @throws JOB_ALREADY_RUNNING with a {@link ClaimConflict} in `detail`; STALE_EPOCH when `epoch` is not the control item's
   */
  claim(input: ClaimInput): Promise<RunningJob>;
  /**
   * A task takes up the job: counts the attempt, records the recovery point it will write and extends the lease.
   * @throws LEASE_LOST when the job has ended or the lease is no longer ours; JOB_NOT_FOUND
   */
  beginAttempt(
    job: JobRef,
    attempt: { readonly leaseUntil: Date; readonly recoveryPointId?: string },
  ): Promise<RunningJob>;
  /** Extends the lease and records progress. @throws LEASE_LOST when it is no longer ours */
  renew(job: JobRef, leaseUntil: Date, progress?: JobProgress): Promise<void>;
  /** Frees the source while the job goes on (waiting for its copy needs nothing of the source). Harmless when the lease is another's. */
  releaseLease(job: JobRef): Promise<void>;
  complete(job: JobRef, result: JobResult, at: Date): Promise<Job>;
  /** Idempotent: a job that has ended keeps how it ended. */
  fail(job: JobRef, failure: JobFailure, at: Date): Promise<Job>;
  /** A skip is a recorded job, never silence. Recorded once per id. */
  skip(job: SkippedJob): Promise<void>;
  /** A run that failed before it could be claimed. Recorded once per id. */
  recordFailure(job: FailedJob): Promise<void>;
  /** @throws NOT_SUPPORTED_YET for a record that this version cannot read */
  getJob(job: JobRef): Promise<Job | undefined>;
  /**
   * Every job of a source that has begun and not ended, however many jobs came after it: each holds a mark from its claim to
   * its end, so a dead one is found by the mark and not by looking through a page of newer jobs. Lists pass over what a newer
   * version recorded in a form that is unknown here.
   */
  runningJobs(source: string): Promise<RunningJob[]>;
  /** Newest first. @default limit 100 */
  listJobs(query?: { readonly source?: string; readonly limit?: number }): Promise<Job[]>;
  /** Who holds a lease now, expired or not. @default of the source's backups */
  leaseOf(source: string, of?: LeaseScope): Promise<Lease | undefined>;

  /**
   * Creates or moves a recovery point forward (stored → storedPeerDown ⇄ stored → protected; arriving → …). `recomputed`:
   * the state was read from the objects themselves (a rebuild) and may go back. @throws ILLEGAL_TRANSITION
   */
  putRecoveryPoint(point: RecoveryPoint, options?: { readonly recomputed?: boolean }): Promise<void>;
  getRecoveryPoint(source: string, id: string): Promise<RecoveryPoint | undefined>;
  /** Newest first; `before` is the id to go on from. @default limit 100 */
  listRecoveryPoints(query?: {
    readonly source?: string;
    readonly limit?: number;
    readonly before?: string;
  }): Promise<RecoveryPoint[]>;
}

/** A job is found below its source, so that a role that may touch one source's items reaches no job of another. */
export interface JobRef {
  readonly source: string;
  readonly id: string;
}

/** What a lease is about beside the source. */
export interface LeaseScope {
  readonly kind: Job['kind'];
  readonly region: string;
  readonly target?: string;
}

export interface Lease {
  readonly jobId: string;
  readonly owner: string;
  readonly until: string;
}

/** `detail` of JOB_ALREADY_RUNNING: who stands in the way, so that the caller can find out whether it still lives. */
export interface ClaimConflict {
  /** `claim`: this very run was claimed before; `lease`: another run holds the source or target. */
  readonly by: 'claim' | 'lease';
  readonly jobId: string;
  readonly owner: string;
  readonly until?: string;
}

/**
 * One backup per source wherever it runs; restores exclude each other by target, restore tests by source, both per Region.
 * So a backup that takes long never stands in the way of the restore that somebody needs now.
 */
export function leaseName(scope: LeaseScope): string {
  switch (scope.kind) {
    case 'backup':
      return 'backup';
    case 'restore':
      return `restore#${scope.region}#${scope.target ?? ''}`;
    case 'restore-test':
      return `restore-test#${scope.region}`;
    default:
      return assertNever(scope.kind);
  }
}

export interface Control {
  readonly activeRegion: string;
  readonly epoch: number;
}

export interface ClaimInput {
  readonly jobId: string;
  readonly kind: Job['kind'];
  readonly source: string;
  readonly region: string;
  readonly owner: string;
  readonly epoch: number;
  readonly scheduledFor: Date;
  readonly now: Date;
  readonly leaseUntil: Date;
  readonly recoveryPointId?: string;
  readonly target?: string;
  readonly passedOver?: RunningJob['passedOver'];
  /** Take over claims and leases of these owners although they have not expired, because they are known to run no longer. */
  readonly takeOverFrom?: readonly string[];
}
