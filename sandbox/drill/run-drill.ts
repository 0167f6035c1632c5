import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import os from 'node:os';
import { HoldfastError } from '../../core/errors.ts';
import { Drill, type DrillOptions } from './drill-context.ts';
import type { DrillReport } from './report.ts';
import { writeReport } from './write-report.ts';
import { sayLoss, sayVerdict } from './report/words.ts';
import { backUp } from './steps/back-up.ts';
import { strike } from './steps/disaster.ts';
import { prepare } from './steps/prepare.ts';
import { recover, restoreTestStep, testRestore } from './steps/recover.ts';
import { validate } from './steps/validate.ts';
import type { Terminal } from './terminal.ts';

/** The disaster from beginning to end. Whatever fails, the report is written and nothing keeps running. */
export async function runDrill(options: DrillOptions, terminal: Terminal): Promise<DrillReport> {
  const drill = new Drill(options, terminal);
  // Signs the canaries; made for this drill alone and kept nowhere.
  const canaryKey = randomBytes(32);
  let failure: DrillReport['failure'];
  terminal.title('Holdfast drill: back up, lose a Region, recover, prove it');
  try {
    await prepare(drill, canaryKey);
    await backUp(drill, 'first backup, as scheduled');
    await backUp(drill, 'second backup');
    await strike(drill);
    await recover(drill);
    await validate(drill, canaryKey);
    await testRestore(drill);
  } catch (error) {
    const { signal } = options;
    // What broke because of an interruption is not the reason.
    const reason: unknown = signal.aborted ? signal.reason : error;
    failure = { step: drill.state.failedStep ?? 'between two steps', ...describe(reason) };
  }
  if (options.keep && failure === undefined) {
    const report = publish(drill, undefined);
    await keepRunning(drill);
    await shutDown(drill);
    return report;
  }
  try {
    await drill.lastStep('shut everything down', 'here', () => shutDown(drill));
  } catch (error) {
    failure ??= { step: 'shut everything down', ...describe(error) };
  }
  return publish(drill, failure);
}

/** Writes the report and says what a person wants to know of it. */
function publish(drill: Drill, failure: DrillReport['failure']): DrillReport {
  const { terminal, options } = drill;
  const report = assemble(drill, failure);
  const files = writeReport(report, options.outFolder);
  terminal.title(`${report.ok ? 'Drill passed' : 'Drill FAILED'}: ${sayVerdict(report)}`);
  if (failure !== undefined) {
    const hint = failure.hint === undefined ? '' : `\nhint: ${failure.hint}`;
    terminal.line(`${failure.code}: ${failure.message}${hint}`);
  }
  for (const line of sayLoss(report)) terminal.line(line);
  terminal.line(`Report: ${files.html}\n        ${files.json}`);
  terminal.close();
  return report;
}

function describe(error: unknown): { code: string; message: string; hint?: string } {
  if (error instanceof HoldfastError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    };
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

/** For who wants to look around: until Ctrl-C. */
async function keepRunning({ state, options, terminal }: Drill): Promise<void> {
  terminal.line(
    `Kept running until Ctrl-C:\n  the local AWS      AWS_ENDPOINT_URL=${state.sandbox?.endpoint ?? ''}\n  restored database  ${state.restored?.url() ?? ''}`,
  );
  // A signal that waits keeps no process alive; this does.
  const alive = setInterval(() => undefined, 60_000);
  if (!options.signal.aborted) await once(options.signal, 'abort');
  clearInterval(alive);
}

/** In this order: writers first, then servers, then the AWS that tasks run in. Each is tried, whatever the one before said. */
async function shutDown({ state }: Drill): Promise<string> {
  const ends = [
    () => state.writer?.stop(),
    () => state.database?.destroy(),
    () => state.restored?.destroy(),
    () => state.sandbox?.down(),
  ];
  const faults: unknown[] = [];
  for (const end of ends) {
    try {
      await end();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw faults[0];
  return 'no process left';
}

function assemble(drill: Drill, failure: DrillReport['failure']): DrillReport {
  const { state, options } = drill;
  const objectives = state.plan?.sources[0]?.objectives ?? { rpoSeconds: 0, rtoSeconds: 0 };
  const measured = measure(drill);
  const own = options.source !== undefined;
  const rpoHeld = own || (measured.rpoSeconds !== null && measured.rpoSeconds <= objectives.rpoSeconds);
  const rtoHeld = measured.rtoSeconds !== null && measured.rtoSeconds <= objectives.rtoSeconds;
  const held = drill.steps.every((step) => step.ok) && state.checks.every((check) => check.ok);
  return {
    schemaVersion: 1,
    ok: failure === undefined && rpoHeld && rtoHeld && held,
    startedAt: drill.startedAt.toISOString(),
    seconds: (Date.now() - drill.startedAt.getTime()) / 1_000,
    regions: {
      primary: state.plan?.regions.primary ?? 'us-east-1',
      standby: state.plan?.regions.standby ?? 'us-west-2',
    },
    // Those that ran side by side ended in any order.
    steps: drill.steps.toSorted((a, b) => a.beganAt - b.beganAt),
    objectives: { rpoSeconds: objectives.rpoSeconds, rtoSeconds: objectives.rtoSeconds },
    measured,
    lost: state.lost,
    checks: state.checks,
    source: {
      name: state.own?.dbname ?? state.plan?.sources[0]?.id ?? 'shop-db',
      kind: own ? 'own' : 'workload',
      server: state.sourceServer ?? (own ? null : 'PostgreSQL 18'),
      databaseBytes: state.sourceBytes === 0 ? null : state.sourceBytes,
    },
    moments: moments(drill),
    missingRanges: state.missingRanges,
    recoveryPoints: state.recoveryPoints.map(({ finishedAt, ...point }) => ({
      ...point,
      finishedAt: drill.at(finishedAt) ?? 0,
      usedFor: usedFor(drill, point.id),
    })),
    notMeasured: own
      ? [
          'The data lost (RPO) and lost orders: nothing is written to your database, so there are no canaries in it.',
        ]
      : [],
    machine: `${os.availableParallelism()} cores, ${Math.round(os.totalmem() / 1e9)} GB`,
    ...(failure === undefined ? {} : { failure }),
  };
}

function measure({ state }: Drill): DrillReport['measured'] {
  const between = (from: Date | undefined, to: Date | undefined) =>
    from === undefined || to === undefined ? null : Math.max(0, (to.getTime() - from.getTime()) / 1_000);
  const restored = state.recoveryPoints.find((point) => point.id === state.chosen);
  return {
    rpoSeconds: between(state.newestCanaryAt, state.disasterAt),
    rtoSeconds: between(state.disasterAt, state.validatedAt),
    rows: restored?.rows ?? null,
    bytes: restored?.bytes ?? null,
    storedBytes: restored?.storedBytes ?? null,
  };
}

/** Only those that came: a moment that never was is left out. */
function moments(drill: Drill): DrillReport['moments'] {
  const { state } = drill;
  const all = {
    writesBeganAt: drill.at(state.writesBeganAt),
    killedAt: drill.at(state.disasterAt),
    recoveredCanaryAt: drill.at(state.newestCanaryAt),
    recoveredAt: drill.at(state.validatedAt),
  };
  return Object.fromEntries(Object.entries(all).filter(([, at]) => at !== undefined));
}

function usedFor({ state, steps }: Drill, id: string): DrillReport['recoveryPoints'][number]['usedFor'] {
  if (id === state.chosen) return 'restore';
  return steps.some((step) => step.name === restoreTestStep) ? 'restore test' : 'nothing';
}
