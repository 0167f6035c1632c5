import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { HoldfastError } from '../errors.ts';
import * as items from './catalog-items.ts';
import { catalogTable } from './catalog-table.ts';
import type { CatalogStore, ClaimInput, Control, Lease, LeaseScope } from './catalog-store.ts';
import { CatalogTableClient, type Write } from './catalog-table.dynamodb.ts';
import { cancellationReasons } from './catalog-errors.dynamodb.ts';
import { alreadyRunning, leaseLost, staleEpoch } from './catalog-refusals.ts';
import { completedJob, failedJob, jobSchema } from './job.ts';
import type { FailedJob, Job, JobFailure, JobProgress, JobResult, RunningJob, SkippedJob } from './job.ts';
import { mergeRecoveryPoint, type RecoveryPoint, recoveryPointSchema } from './recovery-point.ts';

const defaultLimit = 100;

export interface DynamoCatalogStoreOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  /** @default the system's clock */
  readonly now?: () => Date;
}

/** The catalogue in one DynamoDB table (a global table: between Regions the last writer wins, so every item has one writing Region). */
export function createDynamoCatalogStore(options: DynamoCatalogStoreOptions): CatalogStore {
  return new DynamoCatalogStore(options);
}

class DynamoCatalogStore implements CatalogStore {
  readonly #table: CatalogTableClient;
  readonly #now: () => Date;

  constructor(options: DynamoCatalogStoreOptions) {
    this.#table = new CatalogTableClient(options.client, options.table);
    this.#now = options.now ?? (() => new Date());
  }

  async control(): Promise<Control | undefined> {
    return (await this.#table.get<Control>(items.controlKey))?.record;
  }

  async setControl(control: Control, expectedEpoch: number | undefined): Promise<void> {
    const condition =
      expectedEpoch === undefined
        ? { expression: 'attribute_not_exists(pk)' }
        : { expression: '#r.epoch = :epoch', values: { ':epoch': expectedEpoch } };
    await this.#table.write([
      {
        put: {
          ...items.controlKey,
          schemaVersion: items.itemSchemaVersion,
          version: control.epoch,
          record: control,
        },
        condition,
      },
    ]);
  }

  async claim(input: ClaimInput): Promise<RunningJob> {
    const job = items.claimedJob(input);
    const dead = Object.fromEntries((input.takeOverFrom ?? []).map((owner, n) => [`:dead${n}`, owner]));
    const names = Object.keys(dead).join(', ');
    const free =
      names === '' ? 'attribute_not_exists(pk)' : `attribute_not_exists(pk) OR #r.#owner IN (${names})`;
    const writes: Write[] = [
      {
        check: items.controlKey,
        condition: { expression: '#r.epoch = :epoch', values: { ':epoch': input.epoch } },
      },
      { put: items.claimItem(input), condition: { expression: free, values: dead } },
      {
        put: items.leaseItem(input),
        condition: {
          expression: `${free} OR #r.#until < :now`,
          values: { ...dead, ':now': input.now.toISOString() },
        },
      },
      { put: items.jobItem(job, 1, input.now), condition: { expression: 'attribute_not_exists(pk)' } },
    ];
    try {
      await this.#table.transact(writes);
      return job;
    } catch (error) {
      return this.#explainRefusedClaim(input, error);
    }
  }

  async #explainRefusedClaim(input: ClaimInput, error: unknown): Promise<RunningJob> {
    const reasons = cancellationReasons(error);
    if (reasons === undefined) throw error;
    const [control, claim, lease] = reasons.map((code) => code === 'ConditionalCheckFailed');
    const held = await this.#table.get<items.ClaimRecord>(items.claimKey(input));
    if (claim && held !== undefined) {
      const job = await this.getJob(held.record.jobId);
      if (held.record.owner === input.owner && job?.state === 'running') return job;
      throw alreadyRunning(input, { by: 'claim', ...held.record });
    }
    if (control) throw staleEpoch(input, await this.control());
    const leased = lease ? await this.leaseOf(input.source, input) : undefined;
    if (leased !== undefined) throw alreadyRunning(input, { by: 'lease', ...leased });
    throw new HoldfastError('CONDITION_FAILED', `the claim of ${input.source} met another writer`, {
      cause: error,
    });
  }

  async beginAttempt(
    jobId: string,
    attempt: { readonly leaseUntil: Date; readonly recoveryPointId?: string },
  ): Promise<RunningJob> {
    return this.#table.retryOnConflict(async () => {
      const item = await this.#running(jobId);
      const { leaseUntil, ...rest } = attempt;
      const next: RunningJob = {
        ...item.record,
        ...rest,
        leaseUntil: leaseUntil.toISOString(),
        attempts: (item.record.attempts ?? 0) + 1,
      };
      await this.#writeUnderLease(item, next);
      return next;
    });
  }

  async renew(jobId: string, leaseUntil: Date, progress?: JobProgress): Promise<void> {
    await this.#table.retryOnConflict(async () => {
      const item = await this.#running(jobId);
      const next = { ...item.record, leaseUntil: leaseUntil.toISOString(), ...(progress && { progress }) };
      await this.#writeUnderLease(item, next);
    });
  }

  /** Job and lease change together, and only while the lease names this job. */
  async #writeUnderLease(item: items.CatalogItem<RunningJob>, next: RunningJob): Promise<void> {
    const key = items.leaseKey(next.source, next);
    const lease = await this.#table.get<items.LeaseRecord>(key);
    if (lease === undefined || lease.record.jobId !== next.id) throw leaseLost(next.id, lease?.record);
    const record = { ...lease.record, until: next.leaseUntil };
    await this.#table.transact([
      { put: { ...lease, record, version: lease.version + 1 }, condition: versionIs(lease.version) },
      { put: items.jobItem(next, item.version + 1, this.#now()), condition: versionIs(item.version) },
    ]);
  }

  async #running(jobId: string): Promise<items.CatalogItem<RunningJob>> {
    const item = await this.#jobItem(jobId);
    if (item.record.state !== 'running') throw leaseLost(jobId, { state: item.record.state });
    return { ...item, record: item.record };
  }

  async releaseLease(jobId: string): Promise<void> {
    await this.#table.retryOnConflict(async () => {
      const { record: job } = await this.#jobItem(jobId);
      await this.#table.transact(await this.#leaseRemoval(job));
    });
  }

  async complete(jobId: string, result: JobResult, at: Date): Promise<Job> {
    return this.#end(jobId, (job) => completedJob(job, result, at));
  }

  async fail(jobId: string, failure: JobFailure, at: Date): Promise<Job> {
    return this.#end(jobId, (job) => failedJob(job, failure, at));
  }

  async #end(jobId: string, end: (job: Job) => Job): Promise<Job> {
    return this.#table.retryOnConflict(async () => {
      const item = await this.#jobItem(jobId);
      const next = end(item.record);
      if (next === item.record) return next;
      await this.#table.transact([
        { put: items.jobItem(next, item.version + 1, this.#now()), condition: versionIs(item.version) },
        ...(await this.#leaseRemoval(item.record)),
      ]);
      return next;
    });
  }

  /** Nothing to do when another job took the lease meanwhile. */
  async #leaseRemoval(job: Job): Promise<Write[]> {
    const key = items.leaseKey(job.source, job);
    const lease = await this.#table.get<items.LeaseRecord>(key);
    if (lease?.record.jobId !== job.id) return [];
    return [{ delete: key, condition: versionIs(lease.version) }];
  }

  async skip(job: SkippedJob): Promise<void> {
    await this.#putOnce(job);
  }

  async recordFailure(job: FailedJob): Promise<void> {
    await this.#putOnce(job);
  }

  async #putOnce(job: Job): Promise<void> {
    const condition = { expression: 'attribute_not_exists(pk)' };
    try {
      await this.#table.write([{ put: items.jobItem(job, 1, this.#now()), condition }]);
    } catch (error) {
      // A repeated call (Lambda retries) finds its own record.
      if (!(error instanceof HoldfastError && error.code === 'CONDITION_FAILED')) throw error;
    }
  }

  async getJob(id: string): Promise<Job | undefined> {
    const item = await this.#table.get<Job>(items.jobKey(id));
    return item === undefined ? undefined : jobSchema.parse(item.record);
  }

  async #jobItem(id: string): Promise<items.CatalogItem<Job>> {
    const item = await this.#table.get<Job>(items.jobKey(id));
    if (item === undefined) throw new HoldfastError('JOB_NOT_FOUND', `no job ${id} is in the catalogue`);
    return { ...item, record: jobSchema.parse(item.record) };
  }

  async listJobs(query: { readonly source?: string; readonly limit?: number } = {}): Promise<Job[]> {
    const records = await this.#table.newest<Job>({
      ...indexFor(items.kindKeys.job, query.source),
      limit: query.limit ?? defaultLimit,
    });
    return records.map((record) => jobSchema.parse(record));
  }

  async leaseOf(source: string, of: LeaseScope = { kind: 'backup', region: '' }): Promise<Lease | undefined> {
    return (await this.#table.get<items.LeaseRecord>(items.leaseKey(source, of)))?.record;
  }

  async putRecoveryPoint(
    point: RecoveryPoint,
    options: { readonly recomputed?: boolean } = {},
  ): Promise<void> {
    const record = recoveryPointSchema.parse(point);
    await this.#table.retryOnConflict(async () => {
      const current = await this.#table.get<RecoveryPoint>(items.recoveryPointKey(point.source, point.id));
      const next = mergeRecoveryPoint(current?.record, record, options.recomputed);
      const put = items.recoveryPointItem(next, (current?.version ?? 0) + 1);
      await this.#table.write([{ put, condition: versionIs(current?.version) }]);
    });
  }

  async getRecoveryPoint(source: string, id: string): Promise<RecoveryPoint | undefined> {
    const item = await this.#table.get<RecoveryPoint>(items.recoveryPointKey(source, id));
    return item === undefined ? undefined : recoveryPointSchema.parse(item.record);
  }

  async listRecoveryPoints(
    query: { readonly source?: string; readonly limit?: number; readonly before?: string } = {},
  ): Promise<RecoveryPoint[]> {
    const records = await this.#table.newest<RecoveryPoint>({
      ...indexFor(items.kindKeys.point, query.source),
      limit: query.limit ?? defaultLimit,
      ...(query.before !== undefined && { before: query.before }),
    });
    return records.map((record) => recoveryPointSchema.parse(record));
  }
}

function indexFor(kind: string, source: string | undefined) {
  return source === undefined
    ? { index: catalogTable.indexes.byKind, value: kind }
    : { index: catalogTable.indexes.bySource, value: `${kind}#${source}` };
}

function versionIs(version: number | undefined) {
  return version === undefined
    ? { expression: 'attribute_not_exists(pk)' }
    : { expression: '#version = :version', values: { ':version': version } };
}
