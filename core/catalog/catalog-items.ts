import type { ClaimInput, LeaseScope } from './catalog-store.ts';
import { leaseName } from './catalog-store.ts';
import { catalogTable } from './catalog-table.ts';
import type { Job, RunningJob } from './job.ts';
import type { RecoveryPoint } from './recovery-point.ts';

/** Stored with every item; a reader that finds a higher one must not guess. */
export const itemSchemaVersion = 1;

/** Days after which a claim may be forgotten: longer than any schedule, retry or redrive can bring the same run again. */
const claimDays = 30;

export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** One item of the table. `record` is the entity as its schema knows it; `version` counts its writes. */
export interface CatalogItem<R> extends ItemKey {
  readonly schemaVersion: typeof itemSchemaVersion;
  readonly version: number;
  readonly record: R;
  readonly kindKey?: string;
  readonly sourceKey?: string;
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

export function jobKey(id: string): ItemKey {
  return { pk: `JOB#${id}`, sk: 'JOB' };
}

export function claimKey(input: Pick<ClaimInput, 'source' | 'kind' | 'scheduledFor'>): ItemKey {
  return { pk: `SOURCE#${input.source}`, sk: `CLAIM#${input.kind}#${input.scheduledFor.toISOString()}` };
}

export function leaseKey(source: string, scope: LeaseScope): ItemKey {
  return { pk: `SOURCE#${source}`, sk: `LEASE#${leaseName(scope)}` };
}

export function recoveryPointKey(source: string, id: string): ItemKey {
  return { pk: `SOURCE#${source}`, sk: `POINT#${id}` };
}

export const kindKeys = { job: 'job', point: 'point' } as const;

export function jobItem(job: Job, version: number, at: Date): CatalogItem<Job> {
  return {
    ...jobKey(job.id),
    schemaVersion: itemSchemaVersion,
    version,
    record: job,
    kindKey: kindKeys.job,
    sourceKey: `${kindKeys.job}#${job.source}`,
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
    sourceKey: `${kindKeys.point}#${point.source}`,
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
  };
}

function secondsAfter(at: Date, days: number): number {
  return Math.floor(at.getTime() / 1000) + days * 86_400;
}
