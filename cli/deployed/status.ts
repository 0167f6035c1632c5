import type { CatalogStore } from '../../core/catalog/catalog-store.ts';
import type { Reach } from '../../core/canary/reach.ts';
import type { Job } from '../../core/catalog/job.ts';
import type { RecoveryPoint } from '../../core/catalog/recovery-point.ts';
import { formatDuration } from '../../core/plan/duration.ts';
import type { SourcePlan } from '../../core/plan/plan.ts';
import { isDatedAhead } from '../../core/vault/dated-ahead.ts';
import { counted } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { formatState, formatTime, table } from '../tables.ts';
import { notAllSeen } from '../exit-codes.ts';
import { type DeploymentOptions, openCatalog, openDeployment } from './deployment.ts';
import { commandIn, inRegion, isPeerSilent } from './in-region.ts';
import { jobDetail } from './read.ts';

/** How one source stands. Its age counts from the moment that a point shows: when it was begun, not when it was done. */
export interface SourceStatus {
  readonly source: string;
  readonly ok: boolean;
  readonly rpoSeconds: number;
  readonly newestProtected?: {
    readonly id: string;
    readonly startedAt: string;
    readonly ageSeconds: number;
    /** How far its data reaches. */
    readonly reach?: Reach;
  };
  /** Points that say they were begun later than now: whoever made them has a wrong clock, or they are forged. Their age tells nothing, and `ok` is false. */
  readonly datedAhead?: readonly string[];
  /** Newest point of any state, when it is newer than the protected one. */
  readonly newer?: { readonly id: string; readonly state: string };
  readonly lastRestoreTest?: {
    readonly at: string;
    readonly result: string;
    readonly recoveryPointId: string;
    readonly measuredRpoSeconds?: number;
  };
  readonly running?: { readonly jobId: string; readonly kind: string; readonly detail: string };
}

/**
 * `holdfast status`; exit code 1 when a source is outside its RPO, or has a point that is dated ahead, else 6 when the other
 * Region could not be asked.
 */
export async function showStatus(options: DeploymentOptions): Promise<void> {
  await runCommand(options, async ({ warn }) => {
    const deployment = await openDeployment(options);
    const { plan, region, peerRegion } = deployment;
    const catalog = await openCatalog(deployment);
    const question = {
      undone: `nothing is known of ${plan.sources.map(({ id }) => id).join(', ')}`,
      instead: commandIn(deployment, peerRegion, 'status'),
    };
    const [sources, control, alone] = await inRegion(deployment, question, () =>
      Promise.all([
        Promise.all(plan.sources.map((source) => statusOf(catalog, source, new Date()))),
        catalog.control(),
        isPeerSilent(deployment, 'catalogue'),
      ]),
    );
    for (const { source, datedAhead = [] } of sources)
      if (datedAhead.length > 0)
        warn(
          `${source}: ${counted(datedAhead.length, 'recovery point')} begun later than now, not counted: ${datedAhead.slice(0, 5).join(', ')}; is the clock right where backups run, and here?`,
        );
    const verify = commandIn(deployment, region, 'verify latest --source SOURCE');
    if (alone)
      warn(
        `${peerRegion} does not answer, and the copies there were not looked at: what is below is what ${region} last knew; whether its own copy is whole: ${verify}`,
      );
    const ok = sources.every((source) => source.ok);
    const head = ['SOURCE', 'RPO', 'PROTECTED POINT', 'AGE', 'RESTORE TEST', 'RUNNING'];
    const active =
      control === undefined
        ? 'no Region is active yet'
        : `${control.activeRegion} is active (epoch ${control.epoch})`;
    return {
      json: {
        ok,
        region,
        ...(alone && { notAnswering: [peerRegion] }),
        activeRegion: control?.activeRegion,
        epoch: control?.epoch,
        sources,
      },
      text: `${plan.name}: ${active}, as ${region} sees it\n\n${table(head, sources.map(row))}`,
      exitCode: !ok ? 1 : alone ? notAllSeen : 0,
    };
  });
}

/** See {@link SourceStatus}. */
export async function statusOf(
  catalog: Pick<CatalogStore, 'listRecoveryPoints' | 'runningJobs'>,
  { id, objectives }: Pick<SourcePlan, 'id' | 'objectives'>,
  now: Date,
): Promise<SourceStatus> {
  const [points, [running]] = await Promise.all([
    catalog.listRecoveryPoints({ source: id, limit: 200 }),
    catalog.runningJobs(id),
  ]);
  const ahead = points.filter((point) => isDatedAhead(point, now)).map((point) => point.id);
  const newest = points.find((point) => point.state === 'protected' && !isDatedAhead(point, now));
  const tested = newestTest(points);
  const ageSeconds = newest === undefined ? Infinity : (now.getTime() - Date.parse(newest.startedAt)) / 1000;
  const [first] = points;
  return {
    source: id,
    ok: ageSeconds <= objectives.rpoSeconds && ahead.length === 0,
    rpoSeconds: objectives.rpoSeconds,
    ...(newest !== undefined && {
      newestProtected: {
        id: newest.id,
        startedAt: newest.startedAt,
        ageSeconds: Math.round(ageSeconds),
        ...(newest.reach !== undefined && { reach: newest.reach }),
      },
    }),
    ...(ahead.length > 0 && { datedAhead: ahead }),
    ...(first !== undefined && first.id !== newest?.id && { newer: { id: first.id, state: first.state } }),
    ...(tested !== undefined && { lastRestoreTest: tested }),
    ...(running !== undefined && { running: runningJob(running) }),
  };
}

function newestTest(points: readonly RecoveryPoint[]): SourceStatus['lastRestoreTest'] {
  const tests = points.flatMap(({ id, restoreTest }) =>
    restoreTest === undefined ? [] : [{ ...omitJob(restoreTest), recoveryPointId: id }],
  );
  return tests.toSorted((a, b) => b.at.localeCompare(a.at))[0];
}

function omitJob({ jobId: _job, ...rest }: NonNullable<RecoveryPoint['restoreTest']>) {
  return rest;
}

function runningJob(job: Job): SourceStatus['running'] {
  return { jobId: job.id, kind: job.kind, detail: jobDetail(job) };
}

function measured({ measuredRpoSeconds }: NonNullable<SourceStatus['lastRestoreTest']>): string {
  return measuredRpoSeconds === undefined ? '' : `, measured RPO ${formatDuration(measuredRpoSeconds)}`;
}

function row(status: SourceStatus): string[] {
  const { newestProtected: newest, newer, lastRestoreTest: test, running } = status;
  const age =
    newest === undefined
      ? 'none: UNPROTECTED'
      : `${formatDuration(newest.ageSeconds)}${newest.ageSeconds <= status.rpoSeconds ? '' : ' OUTSIDE RPO'}`;
  return [
    status.source,
    formatDuration(status.rpoSeconds),
    `${newest?.id ?? '-'}${newer === undefined ? '' : ` (newer: ${formatState(newer.state)})`}`,
    age,
    test === undefined ? 'never' : `${test.result} ${formatTime(test.at)}${measured(test)}`,
    running === undefined ? '-' : `${running.kind}: ${running.detail}`,
  ];
}
