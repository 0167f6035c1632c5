import { describe, expect, it } from 'vitest';
import type { Plan } from '../../core/plan/plan.ts';
import { assembleReport } from './assemble-report.ts';
import { Drill, type DrillOptions } from './drill-context.ts';
import { reportSchema } from './report.ts';
import { Terminal } from './terminal.ts';

const disasterAt = new Date('2026-11-21T10:00:00.000Z');
const after = (seconds: number) => new Date(disasterAt.getTime() + seconds * 1_000);
const plan = {
  regions: { primary: 'us-east-1', standby: 'us-west-2' },
  sources: [{ id: 'shop-db', objectives: { rpoSeconds: 60, rtoSeconds: 600 } }],
} as unknown as Plan;

const canary = (seconds: number) => ({ at: after(seconds).toISOString(), by: 'canary' as const });

/** A drill that went through: 60 s of data lost, recovered after 600 s, both exactly as promised. */
function finished(options: Partial<DrillOptions> = {}): Drill {
  const { signal } = new AbortController();
  const all = { scale: 1, outFolder: '', keep: false, sabotage: new Set<never>(), signal, ...options };
  const drill = new Drill(all, new Terminal(process.stderr));
  drill.steps.push({ name: 'restore', ok: true, seconds: 1, detail: '', beganAt: 0, place: 'standby' });
  Object.assign(drill.state, {
    plan,
    disasterAt,
    recoveredTo: canary(-60),
    validatedAt: after(600),
    checks: [{ name: 'row counts', ok: true, detail: '' }],
  });
  return drill;
}

const okAfter = (change: (drill: Drill) => void) => {
  const drill = finished();
  change(drill);
  const report = assembleReport(drill, undefined);
  expect(reportSchema.safeParse(report).error).toBeUndefined();
  return report.ok;
};

describe('assembleReport', () => {
  it('is ok when step, check and both objectives hold, at their very limit', () => {
    const report = assembleReport(finished(), undefined);
    expect([report.ok, report.measured.rpoSeconds, report.measured.rtoSeconds]).toEqual([true, 60, 600]);
  });

  it.each<[string, (drill: Drill) => void]>([
    ['more data was lost than promised', ({ state }) => (state.recoveredTo = canary(-60.001))],
    ['it took longer than promised', ({ state }) => (state.validatedAt = after(600.001))],
    ['nothing was restored', ({ state }) => delete state.recoveredTo],
    ['no genuine canary was found', ({ state }) => (state.recoveredTo = { ...canary(-1), by: 'snapshot' })],
    ['nothing was validated', ({ state }) => delete state.validatedAt],
    ['a check did not hold', ({ state }) => state.checks.push({ name: 'x', ok: false, detail: '' })],
    ['a step failed', ({ steps }) => steps.push({ ...steps[0]!, ok: false })],
  ])('is not ok when %s', (_, change) => expect(okAfter(change)).toBe(false));

  it('measures nothing by data that did not pass its checks', () => {
    const drill = finished();
    drill.state.writesBeganAt = after(-100);
    delete drill.state.validatedAt;
    const { measured, moments, rpoBy } = assembleReport(drill, undefined);
    expect([measured.rpoSeconds, measured.rtoSeconds, rpoBy]).toEqual([null, null, null]);
    expect(moments).not.toHaveProperty('recoveredCanaryAt');
  });

  it('is not ok when something failed between the steps', () => {
    const failure = { step: 'between two steps', code: 'INTERNAL', message: 'x' };
    expect(assembleReport(finished(), failure)).toMatchObject({ ok: false, failure });
  });

  it('does not ask for canaries in a database that is not written to', () => {
    const drill = finished({ source: 'postgres://u@h/d' });
    drill.state.recoveredTo = { ...canary(-30), by: 'snapshot' };
    drill.state.notChecked.push('canary: none installed');
    const report = assembleReport(drill, undefined);
    expect(report).toMatchObject({
      ok: true,
      measured: { rpoSeconds: 30 },
      rpoBy: 'snapshot',
      notChecked: ['canary: none installed'],
    });
    expect(report.notMeasured).toHaveLength(2);
    expect(report.moments).not.toHaveProperty('recoveredCanaryAt');
  });
});
