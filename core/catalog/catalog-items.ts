import type { ClaimInput, JobRef, LeaseScope } from './catalog-store.ts';
import { leaseName } from './catalog-store.ts';
import { catalogTable } from './catalog-table.ts';
import type { Job, RunningJob } from './job.ts';
import type { RecoveryPoint } from './recovery-point.ts';

/**
 * Stored with every item. Fields are added without raising it: readers take what they know and keep the rest. It is raised
 * when an older reader would misread an item; a reader refuses versions outside of its range.
 */
export const itemSchemaVersion = 1;
export const readableItemVersions = { oldest: 1, newest: itemSchemaVersion } as const;

/** Days after which a claim may be forgotten: longer than any schedule, retry or redrive can bring the same run again. */
const claimDays = 30;

export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** One item of the table. `record` is the entity as its schema knows it; `version` counts its writes. */
export interface CatalogItem<R> extends ItemKey {
  readonly schemaVersion: number;
  readonly version: number;
  readonly record: R;
  readonly kindKey?: string;
  readonly sort?: string;
  readonly expiresAt?: number;
}

/** A claimed run: (source, kind, scheduled time) → the job that took it. */
export interface ClaimRecord {
  readonly jobId: string;
  readonly owner: string;
}

export interface LeaseRecord extends ClaimRecord {
  readonly until: string;
}

export const controlKey: ItemKey = { pk: 'CONTROL', sk: 'CONTROL' };

/** The partition of everything that is about one source. A policy names it as `dynamodb:LeadingKeys`. */
export function sourcePartition(source: string): string {
  return `SOURCE#${source}`;
}

/** What the sort keys of a source's items begin with. Ids are ULIDs, so each kind is sorted by time. */
export const sortKeyPrefixes = { job: 'JOB#', point: 'POINT#', running: 'RUNNING#' } as const;

export function jobKey({ source, id }: JobRef): ItemKey {
  return { pk: sourcePartition(source), sk: `${sortKeyPrefixes.job}${id}` };
}

/** Held by a job from its claim to its end. */
export function runningKey({ source, id }: JobRef): ItemKey {
  return { pk: sourcePartition(source), sk: `${sortKeyPrefixes.running}${id}` };
}

export function claimKey(input: Pick<ClaimInput, 'source' | 'kind' | 'scheduledFor'>): ItemKey {
  return { pk: sourcePartition(input.source), sk: `CLAIM#${input.kind}#${input.scheduledFor.toISOString()}` };
}

export function leaseKey(source: string, scope: LeaseScope): ItemKey {
  return { pk: sourcePartition(source), sk: `LEASE#${leaseName(scope)}` };
}

export function recoveryPointKey(source: string, id: string): ItemKey {
  return { pk: sourcePartition(source), sk: `${sortKeyPrefixes.point}${id}` };
}

export const kindKeys = { job: 'job', point: 'point' } as const;

export function jobItem(job: Job, version: number, at: Date): CatalogItem<Job> {
  return {
    ...jobKey(job),
    schemaVersion: itemSchemaVersion,
    version,
    record: job,
    kindKey: kindKeys.job,
    sort: `${job.createdAt}#${job.id}`,
    ...(job.state === 'skipped' && { [catalogTable.timeToLiveAttribute]: secondsAfter(at, claimDays) }),
  };
}

export function recoveryPointItem(point: RecoveryPoint, version: number): CatalogItem<RecoveryPoint> {
  return {
    ...recoveryPointKey(point.source, point.id),
    schemaVersion: itemSchemaVersion,
    version,
    record: point,
    kindKey: kindKeys.point,
    sort: `${point.id}#${point.source}`,
  };
}

export function claimItem(input: ClaimInput): CatalogItem<ClaimRecord> {
  return {
    ...claimKey(input),
    schemaVersion: itemSchemaVersion,
    version: 1,
    record: { jobId: input.jobId, owner: input.owner },
    [catalogTable.timeToLiveAttribute]: secondsAfter(input.now, claimDays),
  };
}

export function leaseItem(input: ClaimInput): CatalogItem<LeaseRecord> {
  return {
    ...leaseKey(input.source, input),
    schemaVersion: itemSchemaVersion,
    version: 1,
    record: { jobId: input.jobId, owner: input.owner, until: input.leaseUntil.toISOString() },
  };
}

export function runningItem(input: ClaimInput): CatalogItem<ClaimRecord> {
  return {
    ...runningKey({ source: input.source, id: input.jobId }),
    schemaVersion: itemSchemaVersion,
    version: 1,
    record: { jobId: input.jobId, owner: input.owner },
  };
}

/** The job that a claim creates. */
export function claimedJob(input: ClaimInput): RunningJob {
  return {
    schemaVersion: 1,
    id: input.jobId,
    kind: input.kind,
    source: input.source,
    region: input.region,
    owner: input.owner,
    epoch: input.epoch,
    scheduledFor: input.scheduledFor.toISOString(),
    createdAt: input.now.toISOString(),
    state: 'running',
    startedAt: input.now.toISOString(),
    leaseUntil: input.leaseUntil.toISOString(),
    ...(input.recoveryPointId !== undefined && { recoveryPointId: input.recoveryPointId }),
    ...(input.target !== undefined && { target: input.target }),
    ...(input.passedOver !== undefined && { passedOver: input.passedOver }),
  };
}

function secondsAfter(at: Date, days: number): number {
  return Math.floor(at.getTime() / 1000) + days * 86_400;
}
