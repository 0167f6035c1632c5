import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { readStored } from '../read-stored.ts';
import * as items from './catalog-items.ts';
import { catalogTable } from './catalog-table.ts';
import type { CatalogStore, ClaimInput, Control, JobRef, Lease, LeaseScope } from './catalog-store.ts';
import { CatalogTableClient, type Write } from './catalog-table.dynamodb.ts';
import { cancellationReasons } from './catalog-errors.dynamodb.ts';
import { alreadyRunning, jobNotFound, leaseLost, staleEpoch } from './catalog-refusals.ts';
import { completedJob, failedJob, jobSchema } from './job.ts';
import type { FailedJob, Job, JobFailure, JobProgress, JobResult, RunningJob, SkippedJob } from './job.ts';
import { isReadableJob, isReadablePoint, readRecord } from './read-record.ts';
import { mergeRecoveryPoint, type RecoveryPoint, recoveryPointSchema } from './recovery-point.ts';

const defaultLimit = 100;
/** A source runs one backup at a time and few restores; a backup that waits for its copy lets the next one begin. */
const mostRunning = 1000;

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
      { put: items.runningItem(input), condition: { expression: 'attribute_not_exists(pk)' } },
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
      const job = await this.#jobIfReadable({ source: input.source, id: held.record.jobId });
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
    job: JobRef,
    attempt: { readonly leaseUntil: Date; readonly recoveryPointId?: string },
  ): Promise<RunningJob> {
    return this.#table.retryOnConflict(async () => {
      const item = await this.#running(job);
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

  async renew(job: JobRef, leaseUntil: Date, progress?: JobProgress): Promise<void> {
    await this.#table.retryOnConflict(async () => {
      const item = await this.#running(job);
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

  async #running(job: JobRef): Promise<items.CatalogItem<RunningJob>> {
    const item = await this.#jobItem(job);
    if (item.record.state !== 'running') throw leaseLost(job.id, { state: item.record.state });
    return { ...item, record: item.record };
  }

  async releaseLease(job: JobRef): Promise<void> {
    await this.#table.retryOnConflict(async () => {
      const { record } = await this.#jobItem(job);
      await this.#table.transact(await this.#leaseRemoval(record));
    });
  }

  async complete(job: JobRef, result: JobResult, at: Date): Promise<Job> {
    return this.#end(job, (known) => completedJob(known, result, at));
  }

  async fail(job: JobRef, failure: JobFailure, at: Date): Promise<Job> {
    return this.#end(job, (known) => failedJob(known, failure, at));
  }

  async #end(job: JobRef, end: (known: Job) => Job): Promise<Job> {
    return this.#table.retryOnConflict(async () => {
      const item = await this.#jobItem(job);
      const next = end(item.record);
      if (next === item.record) return next;
      await this.#table.transact([
        { put: items.jobItem(next, item.version + 1, this.#now()), condition: versionIs(item.version) },
        { delete: items.runningKey(next) },
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

  async getJob(job: JobRef): Promise<Job | undefined> {
    const item = await this.#table.get<Job>(items.jobKey(job));
    return item === undefined ? undefined : readJob(item.record, job);
  }

  async runningJobs(source: string): Promise<RunningJob[]> {
    const query = { ...ofSource(source, 'running'), limit: mostRunning };
    const marks = await this.#table.newest<items.ClaimRecord>(query, () => true);
    const jobs = await Promise.all(marks.map(({ jobId }) => this.#jobIfReadable({ source, id: jobId })));
    return jobs.filter((job) => job?.state === 'running');
  }

  /** Of a newer version's record nothing more is known than that it is there. */
  async #jobIfReadable(job: JobRef): Promise<Job | undefined> {
    try {
      return await this.getJob(job);
    } catch (error) {
      if (isHoldfastError(error, 'NOT_SUPPORTED_YET')) return undefined;
      throw error;
    }
  }

  async #jobItem(job: JobRef): Promise<items.CatalogItem<Job>> {
    const item = await this.#table.get<Job>(items.jobKey(job));
    if (item === undefined) throw jobNotFound(job);
    return { ...item, record: readJob(item.record, job) };
  }

  async listJobs(query: { readonly source?: string; readonly limit?: number } = {}): Promise<Job[]> {
    const of = query.source === undefined ? ofAll('job') : ofSource(query.source, 'job');
    return this.#table.newest<Job>({ ...of, limit: query.limit ?? defaultLimit }, isReadableJob);
  }

  async leaseOf(source: string, of: LeaseScope = { kind: 'backup', region: '' }): Promise<Lease | undefined> {
    return (await this.#table.get<items.LeaseRecord>(items.leaseKey(source, of)))?.record;
  }

  async putRecoveryPoint(
    point: RecoveryPoint,
    options: { readonly recomputed?: boolean } = {},
  ): Promise<void> {
    const record = readStored(recoveryPointSchema, point);
    await this.#table.retryOnConflict(async () => {
      const current = await this.#table.get<RecoveryPoint>(items.recoveryPointKey(point.source, point.id));
      const known = current && readPoint(current.record, point.id);
      const next = mergeRecoveryPoint(known, record, options.recomputed);
      const put = items.recoveryPointItem(next, (current?.version ?? 0) + 1);
      await this.#table.write([{ put, condition: versionIs(current?.version) }]);
    });
  }

  async getRecoveryPoint(source: string, id: string): Promise<RecoveryPoint | undefined> {
    const item = await this.#table.get<RecoveryPoint>(items.recoveryPointKey(source, id));
    return item === undefined ? undefined : readPoint(item.record, id);
  }

  async listRecoveryPoints(
    query: { readonly source?: string; readonly limit?: number; readonly before?: string } = {},
  ): Promise<RecoveryPoint[]> {
    const { source, limit = defaultLimit, before } = query;
    const of = source === undefined ? ofAll('point') : ofSource(source, 'point');
    const page = { ...of, limit, ...(before !== undefined && { before }) };
    return this.#table.newest<RecoveryPoint>(page, isReadablePoint);
  }
}

function readJob(record: unknown, { source, id }: JobRef): Job {
  return readRecord(jobSchema, record, `job ${id} of ${source}`);
}

function readPoint(record: unknown, id: string): RecoveryPoint {
  return readRecord(recoveryPointSchema, record, `recovery point ${id}`);
}

function ofAll(kind: keyof typeof items.kindKeys) {
  return { index: catalogTable.indexes.byKind, value: items.kindKeys[kind] };
}

function ofSource(source: string, kind: keyof typeof items.sortKeyPrefixes) {
  return { partition: items.sourcePartition(source), prefix: items.sortKeyPrefixes[kind] };
}

function versionIs(version: number | undefined) {
  return version === undefined
    ? { expression: 'attribute_not_exists(pk)' }
    : { expression: '#version = :version', values: { ':version': version } };
}
