import os from 'node:os';
import type { Reach } from '../../core/canary/reach.ts';
import { type Drill, made } from './drill-context.ts';
import type { DrillReport } from './report.ts';
import { restoreTestStep } from './steps/recover.ts';

/** What the drill found, as its report. `ok` only if every step, every check and both objectives held. */
export function assembleReport(drill: Drill, failure: DrillReport['failure']): DrillReport {
  const { state, options } = drill;
  const plan = made(state.plan, 'plan');
  const source = made(plan.sources[0], 'source');
  const { objectives } = source;
  const measured = measure(drill);
  const own = options.source !== undefined;
  // The drill's own database has a canary, so anything else than a measurement by it is a fault.
  const isMeasured = own || state.recoveredTo?.by === 'canary';
  const rpoHeld = isMeasured && measured.rpoSeconds !== null && measured.rpoSeconds <= objectives.rpoSeconds;
  const rtoHeld = measured.rtoSeconds !== null && measured.rtoSeconds <= objectives.rtoSeconds;
  const held = drill.steps.every((step) => step.ok) && state.checks.every((check) => check.ok);
  return {
    schemaVersion: 1,
    ok: failure === undefined && rpoHeld && rtoHeld && held,
    startedAt: drill.startedAt.toISOString(),
    seconds: (Date.now() - drill.startedAt.getTime()) / 1_000,
    regions: { primary: plan.regions.primary, standby: plan.regions.standby },
    // Those that ran side by side ended in any order.
    steps: drill.steps.toSorted((a, b) => a.beganAt - b.beganAt),
    objectives: { rpoSeconds: objectives.rpoSeconds, rtoSeconds: objectives.rtoSeconds },
    measured,
    lost: state.lost,
    checks: state.checks,
    source: {
      name: state.own?.dbname ?? source.id,
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
    rpoBy: vouchedFor(state)?.by ?? null,
    notChecked: state.notChecked,
    notMeasured: own
      ? [
          'Lost orders: nothing is written to your database during the drill.',
          'The data lost (RPO) by canaries: the key that signs yours is not known here, so the moment of the snapshot stands for it.',
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
    rpoSeconds: between(reachOf(state), state.disasterAt),
    rtoSeconds: between(state.disasterAt, state.validatedAt),
    rows: restored?.rows ?? null,
    bytes: restored?.bytes ?? null,
    storedBytes: restored?.storedBytes ?? null,
  };
}

/** How far the restored data reaches; nothing that did not pass its checks is measured by. */
function vouchedFor({ recoveredTo, validatedAt }: Drill['state']): Reach | undefined {
  return validatedAt && recoveredTo;
}

function reachOf(state: Drill['state']): Date | undefined {
  const reach = vouchedFor(state);
  return reach && new Date(reach.at);
}

/** Only those that came: a moment that never was is left out. */
function moments(drill: Drill): DrillReport['moments'] {
  const { state } = drill;
  const all = {
    writesBeganAt: drill.at(state.writesBeganAt),
    killedAt: drill.at(state.disasterAt),
    recoveredCanaryAt: vouchedFor(state)?.by === 'canary' ? drill.at(reachOf(state)) : undefined,
    recoveredAt: drill.at(state.validatedAt),
  };
  return Object.fromEntries(Object.entries(all).filter(([, at]) => at !== undefined));
}

function usedFor({ state, steps }: Drill, id: string): DrillReport['recoveryPoints'][number]['usedFor'] {
  if (id === state.chosen) return 'restore';
  return steps.some((step) => step.name === restoreTestStep) ? 'restore test' : 'nothing';
}
