import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { HoldfastError } from '../../core/errors.ts';
import { Drill, type DrillOptions } from './drill-context.ts';
import type { DrillReport } from './report.ts';
import { writeReport } from './write-report.ts';
import { sayLoss, sayVerdict } from './report/words.ts';
import { backUp } from './steps/back-up.ts';
import { strike } from './steps/disaster.ts';
import { prepare } from './steps/prepare.ts';
import { recover, testRestore } from './steps/recover.ts';
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
    await backUp(drill, 'back up, as the schedule would');
    await backUp(drill, 'back up again');
    await strike(drill);
    await recover(drill);
    await validate(drill, canaryKey);
    await testRestore(drill);
  } catch (error) {
    failure = { step: drill.state.failedStep ?? 'between two steps', ...describe(error) };
  }
  try {
    await drill.step('shut everything down', 'here', () => shutDown(drill));
  } catch (error) {
    failure ??= { step: 'shut everything down', ...describe(error) };
  }
  const report = assemble(drill, failure);
  const files = writeReport(report, options.outFolder);
  terminal.title(`${report.ok ? 'Drill passed' : 'Drill FAILED'}: ${sayVerdict(report)}`);
  if (failure !== undefined) {
    terminal.line(
      `${failure.code}: ${failure.message}${failure.hint === undefined ? '' : `\nhint: ${failure.hint}`}`,
    );
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

/** In this order: writers first, then servers, then the AWS that tasks run in. */
async function shutDown({ state, options }: Drill): Promise<string> {
  await state.writer?.stop();
  await state.database?.destroy();
  await state.restored?.destroy();
  await state.sandbox?.down();
  return options.signal.aborted ? 'interrupted; no process left' : 'no process left';
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
    steps: drill.steps,
    objectives: { rpoSeconds: objectives.rpoSeconds, rtoSeconds: objectives.rtoSeconds },
    measured,
    lost: state.lost,
    checks: state.checks,
    source: {
      name: state.plan?.sources[0]?.id ?? 'shop-db',
      kind: own ? 'own' : 'workload',
      server: own ? null : 'PostgreSQL 18',
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
  return steps.some((step) => step.name.startsWith('test another')) ? 'restore test' : 'nothing';
}
