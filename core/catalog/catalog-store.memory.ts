import { HoldfastError } from '../errors.ts';
import { claimedJob } from './catalog-items.ts';
import { alreadyRunning, leaseLost, staleEpoch } from './catalog-refusals.ts';
import { leaseName } from './catalog-store.ts';
import type { CatalogStore, ClaimInput, Control, Lease, LeaseScope } from './catalog-store.ts';
import { completedJob, failedJob, jobSchema } from './job.ts';
import type { FailedJob, Job, JobFailure, JobProgress, JobResult, RunningJob, SkippedJob } from './job.ts';
import { mergeRecoveryPoint, type RecoveryPoint, recoveryPointSchema } from './recovery-point.ts';

/** The catalogue in memory, for tests; passes the same suite as the real one. */
export function createMemoryCatalogStore(): CatalogStore {
  return new MemoryCatalogStore();
}

class MemoryCatalogStore implements CatalogStore {
  #control: Control | undefined;
  readonly #jobs = new Map<string, Job>();
  readonly #claims = new Map<string, { jobId: string; owner: string }>();
  readonly #leases = new Map<string, Lease>();
  readonly #points = new Map<string, RecoveryPoint>();

  async control(): Promise<Control | undefined> {
    return this.#control;
  }

  async setControl(control: Control, expectedEpoch: number | undefined): Promise<void> {
    if (this.#control?.epoch !== expectedEpoch) {
      throw new HoldfastError('CONDITION_FAILED', 'another writer changed the record first');
    }
    this.#control = { ...control };
  }

  async claim(input: ClaimInput): Promise<RunningJob> {
    const claimKey = `${input.source}#${input.kind}#${input.scheduledFor.toISOString()}`;
    const claim = this.#claims.get(claimKey);
    if (claim !== undefined && !input.takeOverFrom?.includes(claim.owner)) {
      const job = this.#jobs.get(claim.jobId);
      if (claim.owner === input.owner && job?.state === 'running') return structuredClone(job);
      throw alreadyRunning(input, { by: 'claim', ...claim });
    }
    if (this.#control?.epoch !== input.epoch) throw staleEpoch(input, this.#control);
    const leaseKey = keyOfLease(input.source, input);
    const lease = this.#leases.get(leaseKey);
    const leaseFree =
      lease === undefined ||
      input.takeOverFrom?.includes(lease.owner) ||
      lease.until < input.now.toISOString();
    if (!leaseFree) throw alreadyRunning(input, { by: 'lease', ...lease });
    const job = claimedJob(input);
    const { jobId, owner } = input;
    this.#claims.set(claimKey, { jobId, owner });
    this.#leases.set(leaseKey, { jobId, owner, until: job.leaseUntil });
    this.#store(job);
    return job;
  }

  async beginAttempt(
    jobId: string,
    attempt: { readonly leaseUntil: Date; readonly recoveryPointId?: string },
  ): Promise<RunningJob> {
    const job = this.#underLease(jobId);
    const { leaseUntil, ...rest } = attempt;
    return this.#extend({ ...job, ...rest, attempts: (job.attempts ?? 0) + 1 }, leaseUntil);
  }

  async renew(jobId: string, leaseUntil: Date, progress?: JobProgress): Promise<void> {
    this.#extend({ ...this.#underLease(jobId), ...(progress && { progress }) }, leaseUntil);
  }

  #underLease(jobId: string): RunningJob {
    const job = this.#job(jobId);
    if (job.state !== 'running') throw leaseLost(jobId, { state: job.state });
    const lease = this.#leases.get(keyOfLease(job.source, job));
    if (lease?.jobId !== jobId) throw leaseLost(jobId, lease);
    return job;
  }

  #extend(job: RunningJob, leaseUntil: Date): RunningJob {
    const until = leaseUntil.toISOString();
    const next = { ...job, leaseUntil: until };
    this.#leases.set(keyOfLease(job.source, job), { jobId: job.id, owner: job.owner, until });
    this.#store(next);
    return next;
  }

  async releaseLease(jobId: string): Promise<void> {
    const job = this.#job(jobId);
    const key = keyOfLease(job.source, job);
    if (this.#leases.get(key)?.jobId === jobId) this.#leases.delete(key);
  }

  async complete(jobId: string, result: JobResult, at: Date): Promise<Job> {
    const next = completedJob(this.#job(jobId), result, at);
    await this.releaseLease(jobId);
    return this.#store(next);
  }

  async fail(jobId: string, failure: JobFailure, at: Date): Promise<Job> {
    const next = failedJob(this.#job(jobId), failure, at);
    await this.releaseLease(jobId);
    return this.#store(next);
  }

  async skip(job: SkippedJob): Promise<void> {
    if (!this.#jobs.has(job.id)) this.#store(job);
  }

  async recordFailure(job: FailedJob): Promise<void> {
    if (!this.#jobs.has(job.id)) this.#store(job);
  }

  async getJob(id: string): Promise<Job | undefined> {
    return structuredClone(this.#jobs.get(id));
  }

  async listJobs(query: { readonly source?: string; readonly limit?: number } = {}): Promise<Job[]> {
    return [...this.#jobs.values()]
      .filter((job) => query.source === undefined || job.source === query.source)
      .sort((a, b) => (`${a.createdAt}#${a.id}` < `${b.createdAt}#${b.id}` ? 1 : -1))
      .slice(0, query.limit ?? 100)
      .map((job) => structuredClone(job));
  }

  async leaseOf(source: string, of: LeaseScope = { kind: 'backup', region: '' }): Promise<Lease | undefined> {
    return this.#leases.get(keyOfLease(source, of));
  }

  async putRecoveryPoint(
    point: RecoveryPoint,
    options: { readonly recomputed?: boolean } = {},
  ): Promise<void> {
    const key = `${point.source}#${point.id}`;
    const next = mergeRecoveryPoint(
      this.#points.get(key),
      recoveryPointSchema.parse(point),
      options.recomputed,
    );
    this.#points.set(key, structuredClone(next));
  }

  async getRecoveryPoint(source: string, id: string): Promise<RecoveryPoint | undefined> {
    return structuredClone(this.#points.get(`${source}#${id}`));
  }

  async listRecoveryPoints(
    query: { readonly source?: string; readonly limit?: number; readonly before?: string } = {},
  ): Promise<RecoveryPoint[]> {
    const { source, before } = query;
    return [...this.#points.values()]
      .filter((point) => source === undefined || point.source === source)
      .filter((point) => before === undefined || point.id < before)
      .sort((a, b) => (`${a.id}#${a.source}` < `${b.id}#${b.source}` ? 1 : -1))
      .slice(0, query.limit ?? 100)
      .map((point) => structuredClone(point));
  }

  #job(id: string): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new HoldfastError('JOB_NOT_FOUND', `no job ${id} is in the catalogue`);
    return job;
  }

  #store(job: Job): Job {
    this.#jobs.set(job.id, jobSchema.parse(structuredClone(job)));
    return job;
  }
}

function keyOfLease(source: string, scope: LeaseScope): string {
  return `${source}#${leaseName(scope)}`;
}
