import { type Job } from '../../core/catalog/job.ts';
import type { RecoveryPoint } from '../../core/catalog/recovery-point.ts';
import { HoldfastError } from '../../core/errors.ts';
import { describePassedOver } from '../../core/vault/passed-over.ts';
import type { PassedOverRecoveryPoint } from '../../core/vault/vault.ts';
import { describeActivity, isMovingRows } from '../../core/jobs/activity.ts';
import { summarizeRestored } from '../restore-report.ts';
import { formatBytes, formatCount } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { formatState, formatTime, table } from '../tables.ts';
import { notAllSeen } from '../exit-codes.ts';
import {
  type Deployment,
  type DeploymentOptions,
  openCatalog,
  openDeployment,
  sourceOf,
} from './deployment.ts';
import { commandIn, inRegion, isPeerSilent } from './in-region.ts';

export interface ListOptions extends DeploymentOptions {
  readonly limit: string;
  readonly source?: string;
}

/** `holdfast recovery-points [SOURCE]` */
export async function listRecoveryPoints(source: string | undefined, options: ListOptions): Promise<void> {
  await runCommand(options, async ({ warn }) => {
    const deployment = await openDeployment(options);
    const query = { ...ofSource(deployment.plan, source), limit: parseLimit(options.limit) };
    const catalog = await openCatalog(deployment);
    const { region, peerRegion } = deployment;
    const of = source === undefined ? '' : ` ${source}`;
    const question = {
      undone: 'recovery points were not listed',
      instead: commandIn(deployment, peerRegion, `recovery-points${of}`),
    };
    const [points, alone] = await inRegion(deployment, question, () =>
      Promise.all([catalog.listRecoveryPoints(query), isPeerSilent(deployment, 'catalogue')]),
    );
    const rebuild = commandIn(deployment, region, 'catalog rebuild --dry-run --peer-lost');
    if (alone)
      warn(
        `${peerRegion} does not answer: what was recorded there last may be missing below, and no second copy was looked at; what the vault in ${region} holds: ${rebuild}`,
      );
    for (const [id, arriving] of arrivingNewest(points)) {
      for (const line of describePassedOver(arriving)) warn(`${id}: ${line}`);
    }
    const head = [
      'RECOVERY POINT',
      'SOURCE',
      'STATE',
      'FINISHED',
      'DATA UP TO',
      'ROWS',
      'STORED',
      'RESTORE TEST',
    ];
    return {
      json: points,
      text: points.length === 0 ? 'no recovery points' : table(head, points.map(pointRow)),
      exitCode: alone ? notAllSeen : 0,
    };
  });
}

/** `holdfast jobs` */
export async function listJobs(options: ListOptions): Promise<void> {
  await runCommand(options, async ({ warn }) => {
    const deployment = await openDeployment(options);
    const query = { ...ofSource(deployment.plan, options.source), limit: parseLimit(options.limit) };
    const catalog = await openCatalog(deployment);
    const { region, peerRegion } = deployment;
    const of = options.source === undefined ? '' : ` --source ${options.source}`;
    const question = {
      undone: 'jobs were not listed',
      instead: commandIn(deployment, peerRegion, `jobs${of}`),
    };
    const [jobs, alone] = await inRegion(deployment, question, () =>
      Promise.all([catalog.listJobs(query), isPeerSilent(deployment, 'catalogue')]),
    );
    if (alone)
      warn(
        `${peerRegion} does not answer: what was recorded there last may be missing below, and jobs that ran there have most likely ended with it; what can be restored: ${commandIn(deployment, region, 'recovery-points')}`,
      );
    const head = ['JOB', 'KIND', 'SOURCE', 'STATE', 'CREATED', 'DETAIL'];
    return {
      json: jobs,
      text: jobs.length === 0 ? 'no jobs' : table(head, jobs.map(jobRow)),
      exitCode: alone ? notAllSeen : 0,
    };
  });
}

/** Per source the points that a restore of `latest` passes over because they are still on their way. Points come newest first. */
export function arrivingNewest(
  points: readonly Pick<RecoveryPoint, 'id' | 'source' | 'state'>[],
): [source: string, PassedOverRecoveryPoint[]][] {
  return [...Map.groupBy(points, ({ source }) => source)].flatMap(([source, own]) => {
    const first = own.findIndex(({ state }) => state !== 'arriving');
    const arriving = own.slice(0, first === -1 ? own.length : first);
    if (arriving.length === 0) return [];
    return [[source, arriving.map(({ id }) => ({ id, code: 'RECOVERY_POINT_ARRIVING' }))]];
  });
}

function ofSource(plan: Deployment['plan'], source: string | undefined): { source?: string } {
  return source === undefined ? {} : { source: sourceOf(plan, source).id };
}

function pointRow(point: RecoveryPoint): string[] {
  const { id, source, state, finishedAt, reach, rows, storedBytes, restoreTest } = point;
  const tested = restoreTest === undefined ? 'never' : `${restoreTest.result} ${formatTime(restoreTest.at)}`;
  const upTo = reach === undefined ? '-' : `${formatTime(reach.at)} (${reach.by})`;
  return [
    id,
    source,
    formatState(state),
    formatTime(finishedAt),
    upTo,
    formatCount(rows),
    formatBytes(storedBytes),
    tested,
  ];
}

function jobRow(job: Job): string[] {
  return [job.id, job.kind, job.source, job.state, formatTime(job.createdAt), jobDetail(job)];
}

/** One line about how a job stands or ended. */
export function jobDetail(job: Job): string {
  switch (job.state) {
    case 'running':
      return job.progress !== undefined && isMovingRows(job.progress)
        ? `${Math.floor(job.progress.fraction * 100)} %, ${formatCount(job.progress.rows)} rows`
        : describeActivity(job.kind, job.progress);
    case 'completed':
      return [
        job.result.verdict ?? `${formatCount(job.result.rows)} rows in ${job.result.items} items`,
        summarizeRestored(job.result),
      ]
        .filter((part) => part !== '')
        .join('; ');
    case 'failed':
      return `${job.error.code}: ${job.error.message}`;
    case 'skipped':
      return job.reason;
    default:
      return '';
  }
}

function parseLimit(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= 1000) return limit;
  throw new HoldfastError('USAGE', `--limit is ${JSON.stringify(text)}; allowed is 1 to 1000`);
}
