import { once } from 'node:events';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { postgresBinDirectory } from '../postgres/postgres-server.ts';
import { assembleReport } from './assemble-report.ts';
import { checksFailed, Drill, type DrillOptions, made } from './drill-context.ts';
import type { DrillReport } from './report.ts';
import { writeReport } from './write-report.ts';
import { sayLoss, sayRecovery, sayVerdict } from './report/words.ts';
import { backUp } from './steps/back-up.ts';
import { strike } from './steps/disaster.ts';
import { examplePlan } from './steps/own-source.ts';
import { prepare } from './steps/prepare.ts';
import { recover, testRestore } from './steps/recover.ts';
import { validate } from './steps/validate.ts';
import type { Terminal } from './terminal.ts';

/** The disaster from beginning to end. Whatever fails, the report is written and nothing keeps running. */
export async function runDrill(options: DrillOptions, terminal: Terminal): Promise<DrillReport> {
  const drill = new Drill(options, terminal);
  let failure: DrillReport['failure'];
  // However early it ends, its report says what was promised.
  drill.state.plan = await loadPlan(examplePlan);
  terminal.title('Holdfast drill: back up, lose a Region, recover, prove it');
  try {
    await prepare(drill);
    await backUp(drill, 'first backup, as scheduled');
    await backUp(drill, 'second backup');
    await strike(drill);
    await recover(drill);
    await validate(drill);
    await testRestore(drill);
    failOnBrokenChecks(drill);
  } catch (error) {
    const { signal } = options;
    // What broke because of an interruption is not the reason.
    const reason: unknown = signal.aborted ? signal.reason : error;
    failure = { step: drill.state.failedStep ?? 'between two steps', ...describe(reason) };
  }
  // Who asked for it wants to look around most of all when something went wrong.
  const kept = options.keep && !options.signal.aborted && drill.state.sandbox !== undefined;
  const early = kept ? publish(drill, failure) : undefined;
  const before = failure;
  if (kept) await keepRunning(drill);
  try {
    await drill.lastStep('shut everything down', 'here', () => shutDown(drill));
  } catch (error) {
    failure ??= { step: 'shut everything down', ...describe(error) };
  }
  // What was kept on request is no part of the drill that was reported, unless it did not go away.
  return early !== undefined && failure === before ? early : publish(drill, failure);
}

/** Writes the report and says what a person wants to know of it. */
function publish(drill: Drill, failure: DrillReport['failure']): DrillReport {
  const { terminal, options } = drill;
  const report = assembleReport(drill, failure);
  const files = writeReport(report, options.outFolder);
  terminal.title(`${report.ok ? 'Drill passed' : 'Drill FAILED'}: ${sayVerdict(report)}`);
  if (failure !== undefined) {
    // The checks are listed below, with what each found.
    const listed = failure.code === 'CHECK_FAILED' ? '' : `: ${failure.message}`;
    terminal.line(`${failure.code} in "${failure.step}"${listed}`);
    if (failure.hint !== undefined) terminal.line(`hint: ${failure.hint}`);
  }
  for (const { ok, name, detail } of report.checks) if (!ok) terminal.line(`  ✗ ${name}: ${detail}`);
  if (!report.ok && report.measured.rtoSeconds !== null) terminal.line(sayRecovery(report));
  if (report.moments.killedAt !== undefined) for (const line of sayLoss(report)) terminal.line(line);
  terminal.line(`Report: ${files.html}\n        ${files.json}\n  kept: ${files.kept}`);
  terminal.close();
  return report;
}

/** Those that stopped nothing when they failed. */
function failOnBrokenChecks({ state }: Drill): void {
  if (state.checks.every(({ ok }) => ok)) return;
  state.failedStep ??= 'all checks';
  throw checksFailed(state.checks);
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
  const { standby } = made(state.plan, 'plan').regions;
  const exports = Object.entries(made(state.sandbox, 'sandbox').environment(standby));
  const plan = `--plan ${path.relative(process.cwd(), made(state.planFile, 'plan file'))} --region ${standby}`;
  const psql = path.relative(process.cwd(), path.join(postgresBinDirectory(18), 'psql'));
  const server = state.restored ?? (state.disasterAt === undefined ? state.database : undefined);
  terminal.title('Kept running until Ctrl-C; in another terminal:');
  // Each on one line however narrow the terminal is: they are there to be copied.
  terminal.verbatim([
    ...(server === undefined ? [] : [`  ${psql} ${server.url()}`]),
    `  export ${exports.map(([name, value]) => `${name}=${value}`).join(' ')}`,
    `  npx holdfast recovery-points ${plan}`,
    `  npx holdfast jobs ${plan}`,
  ]);
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
