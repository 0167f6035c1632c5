import { HoldfastError } from '../errors.ts';
import { readStored } from '../read-stored.ts';
import { claimedJob } from './catalog-items.ts';
import { alreadyRunning, jobNotFound, leaseLost, staleEpoch } from './catalog-refusals.ts';
import { leaseName } from './catalog-store.ts';
import type { CatalogStore, ClaimInput, Control, JobRef, Lease, LeaseScope } from './catalog-store.ts';
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
      const job = this.#jobs.get(keyOfJob({ source: input.source, id: claim.jobId }));
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
    ref: JobRef,
    attempt: { readonly leaseUntil: Date; readonly recoveryPointId?: string },
  ): Promise<RunningJob> {
    const job = this.#underLease(ref);
    const { leaseUntil, ...rest } = attempt;
    return this.#extend({ ...job, ...rest, attempts: (job.attempts ?? 0) + 1 }, leaseUntil);
  }

  async renew(ref: JobRef, leaseUntil: Date, progress?: JobProgress): Promise<void> {
    this.#extend({ ...this.#underLease(ref), ...(progress && { progress }) }, leaseUntil);
  }

  #underLease(ref: JobRef): RunningJob {
    const job = this.#job(ref);
    if (job.state !== 'running') throw leaseLost(ref.id, { state: job.state });
    const lease = this.#leases.get(keyOfLease(job.source, job));
    if (lease?.jobId !== ref.id) throw leaseLost(ref.id, lease);
    return job;
  }

  #extend(job: RunningJob, leaseUntil: Date): RunningJob {
    const until = leaseUntil.toISOString();
    const next = { ...job, leaseUntil: until };
    this.#leases.set(keyOfLease(job.source, job), { jobId: job.id, owner: job.owner, until });
    this.#store(next);
    return next;
  }

  async releaseLease(ref: JobRef): Promise<void> {
    const job = this.#job(ref);
    const key = keyOfLease(job.source, job);
    if (this.#leases.get(key)?.jobId === ref.id) this.#leases.delete(key);
  }

  async complete(ref: JobRef, result: JobResult, at: Date): Promise<Job> {
    const next = completedJob(this.#job(ref), result, at);
    await this.releaseLease(ref);
    return this.#store(next);
  }

  async fail(ref: JobRef, failure: JobFailure, at: Date): Promise<Job> {
    const next = failedJob(this.#job(ref), failure, at);
    await this.releaseLease(ref);
    return this.#store(next);
  }

  async skip(job: SkippedJob): Promise<void> {
    if (!this.#jobs.has(keyOfJob(job))) this.#store(job);
  }

  async recordFailure(job: FailedJob): Promise<void> {
    if (!this.#jobs.has(keyOfJob(job))) this.#store(job);
  }

  async getJob(ref: JobRef): Promise<Job | undefined> {
    return structuredClone(this.#jobs.get(keyOfJob(ref)));
  }

  async runningJobs(source: string): Promise<RunningJob[]> {
    const jobs = await this.listJobs({ source, limit: Infinity });
    return jobs.filter((job) => job.state === 'running');
  }

  async listJobs(query: { readonly source?: string; readonly limit?: number } = {}): Promise<Job[]> {
    const sortOf = (job: Job) => (query.source === undefined ? `${job.createdAt}#${job.id}` : job.id);
    return [...this.#jobs.values()]
      .filter((job) => query.source === undefined || job.source === query.source)
      .sort((a, b) => (sortOf(a) < sortOf(b) ? 1 : -1))
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
      readStored(recoveryPointSchema, point),
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

  #job(ref: JobRef): Job {
    const job = this.#jobs.get(keyOfJob(ref));
    if (job === undefined) throw jobNotFound(ref);
    return job;
  }

  #store(job: Job): Job {
    this.#jobs.set(keyOfJob(job), readStored(jobSchema, structuredClone(job)));
    return job;
  }
}

function keyOfJob({ source, id }: JobRef): string {
  return `${source}#${id}`;
}

function keyOfLease(source: string, scope: LeaseScope): string {
  return `${source}#${leaseName(scope)}`;
}
