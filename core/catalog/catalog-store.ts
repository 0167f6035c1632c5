import type { Job, JobProgress, JobResult } from './job.ts';
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
   * Claims a run by (source, kind, scheduledFor) and takes the source's lease in one transaction. The same claim again by
   * the same owner returns the same job (Step Functions retries). @throws JOB_ALREADY_RUNNING with the running job in `detail`
   */
  claim(input: ClaimInput): Promise<Extract<Job, { state: 'running' }>>;
  /** Extends the lease and records progress. @throws LEASE_LOST when it is no longer ours */
  renew(jobId: string, leaseUntil: Date, progress?: JobProgress): Promise<void>;
  complete(jobId: string, result: JobResult, at: Date): Promise<Job>;
  /** Idempotent: a job that has ended keeps how it ended. */
  fail(
    jobId: string,
    error: { code: string; message: string; hint?: string },
    at: Date,
    result?: JobResult,
  ): Promise<Job>;
  /** A skip is a recorded job, never silence. */
  skip(job: Extract<Job, { state: 'skipped' }>): Promise<void>;
  getJob(id: string): Promise<Job | undefined>;
  /** Newest first. */
  listJobs(query?: { readonly source?: string; readonly limit?: number }): Promise<Job[]>;
  /** Who holds the lease of a source now, expired or not. */
  leaseOf(
    source: string,
  ): Promise<{ readonly jobId: string; readonly owner: string; readonly until: string } | undefined>;

  /** Creates or moves a recovery point forward (stored → storedPeerDown ⇄ stored → protected; arriving → …). @throws ILLEGAL_TRANSITION */
  putRecoveryPoint(point: RecoveryPoint): Promise<void>;
  getRecoveryPoint(source: string, id: string): Promise<RecoveryPoint | undefined>;
  /** Newest first. */
  listRecoveryPoints(query?: {
    readonly source?: string;
    readonly limit?: number;
    readonly before?: string;
  }): Promise<RecoveryPoint[]>;
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
  /** Take over a lease that has not expired, because its owner is known to run no longer. */
  readonly takeOverFrom?: string;
}
