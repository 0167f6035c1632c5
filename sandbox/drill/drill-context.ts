import type { Reach } from '../../core/canary/reach.ts';
import type { CheckResult } from '../../core/engines/engine.ts';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../core/errors.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { PostgresServer } from '../postgres/postgres-server.ts';
import type { Sandbox } from '../sandbox.ts';
import type { DrillReport, ReportStep, StepPlace } from './report.ts';
import type { StepDisplay, Terminal } from './terminal.ts';
import type { LiveWriter } from './workload/live-writer.ts';

/** Faults that a drill can be told to make, so that anyone can see that it notices them. */
export const sabotages = ['object', 'data', 'region'] as const;
export type Sabotage = (typeof sabotages)[number];

export interface DrillOptions {
  readonly scale: number;
  /** The user's own database; then nothing is written to it and it is not destroyed. */
  readonly source?: string;
  readonly outFolder: string;
  readonly signal: AbortSignal;
  /** Keep sandbox and databases running until interrupted, also when the drill failed. */
  readonly keep: boolean;
  /** Faults to make, to see that the drill notices them. */
  readonly sabotage: ReadonlySet<Sabotage>;
}

/** What the steps hand on to each other. Filled as the drill goes. */
export interface DrillState {
  sandbox?: Sandbox;
  plan?: Plan;
  planFile?: string;
  /** The user's own database. */
  own?: PostgresConnection;
  /** E.g. `PostgreSQL 18.6`. */
  sourceServer?: string;
  database?: PostgresServer;
  restored?: PostgresServer;
  writer?: LiveWriter;
  sourceBytes: number;
  recoveryPoints: BackedUp[];
  chosen?: string;
  disasterAt?: Date;
  /** How far the restored data reaches. */
  recoveredTo?: Reach;
  notChecked: string[];
  validatedAt?: Date;
  lost: DrillReport['lost'];
  checks: CheckResult[];
  missingRanges: DrillReport['missingRanges'];
  writesBeganAt?: Date;
  failedStep?: string;
}

export interface BackedUp {
  readonly id: string;
  readonly rows: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly finishedAt: Date;
}

/** Runs steps, shows them, and keeps what the report needs. The first step that fails ends the drill. */
export class Drill {
  readonly startedAt = new Date();
  readonly steps: ReportStep[] = [];
  readonly options: DrillOptions;
  readonly terminal: Terminal;
  readonly state: DrillState = {
    sourceBytes: 0,
    recoveryPoints: [],
    lost: { acknowledged: null, missing: null },
    checks: [],
    notChecked: [],
    missingRanges: [],
  };

  constructor(options: DrillOptions, terminal: Terminal) {
    this.options = options;
    this.terminal = terminal;
  }

  /** Seconds from the start of the drill, for the report. */
  at(moment: Date | undefined): number | undefined {
    return moment === undefined
      ? undefined
      : Math.max(0, (moment.getTime() - this.startedAt.getTime()) / 1_000);
  }

  /** Runs a step unless the drill was interrupted. */
  async step(name: string, place: StepPlace, work: (display: StepDisplay) => Promise<string>): Promise<void> {
    this.options.signal.throwIfAborted();
    await this.lastStep(name, place, work);
  }

  /** Runs a step whatever happened before: what was begun must be ended, also after an interruption. */
  async lastStep(
    name: string,
    place: StepPlace,
    work: (display: StepDisplay) => Promise<string>,
  ): Promise<void> {
    const begin = Date.now();
    const display = this.terminal.begin(name);
    const record = (ok: boolean, detail: string) => {
      const seconds = (Date.now() - begin) / 1_000;
      display.done(ok, detail, seconds);
      const beganAt = (begin - this.startedAt.getTime()) / 1_000;
      this.steps.push({ name, ok, seconds, detail, place, beganAt });
      if (!ok) this.state.failedStep ??= name;
    };
    try {
      record(true, await work(display));
    } catch (error) {
      const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      record(false, this.options.signal.aborted ? 'interrupted' : message);
      throw error;
    }
  }
}

/** Says which checks did not hold; what each found is with the checks themselves. */
export function checksFailed(checks: readonly CheckResult[]): HoldfastError {
  const broken = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  const count = broken.length === 1 ? '1 check' : `${broken.length} checks`;
  return new HoldfastError('CHECK_FAILED', `${count} did not hold: ${broken.join('; ')}`);
}

/** A part of the state that an earlier step must have made. */
export function made<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the drill has no ${what} yet`);
  return value;
}
