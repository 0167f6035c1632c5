import type { Readable } from 'node:stream';
import type { CanaryKey } from '../canary/canary.ts';
import type { Reach } from '../canary/reach.ts';
import type { Manifest, ManifestItem } from '../vault/manifest.ts';
import type { ItemInput } from '../vault/vault.ts';

/**
 * The contract of every engine (design section 7). An engine knows its source and its own item kinds; it knows neither
 * vault nor catalogue: it hands compressed streams to `store` and gets them back from `read`.
 *
 * `Connection` is the engine's own; it is read from a secret at the moment of use and never logged.
 */
export interface Engine<Connection> {
  readonly name: string;
  /** Connects and says what would happen: version, size, privileges with a hint for each that is missing, and what is not covered. */
  probe(connection: Connection, options?: { readonly signal?: AbortSignal }): Promise<ProbeReport>;
  /** Streams a consistent state of the source into `context.store`. Resolves only when all items are stored and coverage holds. */
  backup(context: BackupContext<Connection>): Promise<BackupOutcome>;
  /**
   * Names of the items that a restore of only these tables (`schema.table`) reads, so that nothing else has to be whole,
   * thawed or even there. @throws ITEM_NOT_FOUND, MANIFEST_INVALID
   */
  itemsFor(manifest: Manifest, only: readonly string[]): readonly string[];
  /** Rebuilds into an empty or new target. @throws TARGET_NOT_EMPTY, TARGET_TOO_OLD before anything is touched */
  restore(context: RestoreContext<Connection>): Promise<RestoreOutcome>;
  /** Content checks against restored data: independent counts, constraints, the plan's assertions, samples, canary. */
  check(context: CheckContext<Connection>): Promise<CheckReport>;
}

export interface ProbeReport {
  readonly ok: boolean;
  readonly version: string;
  readonly sizeBytes: number;
  readonly findings: readonly ProbeFinding[];
  readonly notCovered: Manifest['notCovered'];
}

export interface ProbeFinding {
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  readonly hint?: string;
}

/** Monotonic totals of a running job; `fraction` from estimates, never above 1. */
export interface EngineProgress {
  readonly itemsDone: number;
  readonly itemsTotal: number;
  readonly rows: number;
  /** Before compression. */
  readonly bytes: number;
  readonly estimatedBytes: number;
  readonly current: readonly string[];
}

export interface BackupContext<Connection> {
  readonly connection: Connection;
  /** Parallel streams, at least 1. */
  readonly connections: number;
  readonly onDdl: 'yield' | 'hold';
  readonly signal: AbortSignal;
  readonly store: (item: ItemInput) => Promise<ManifestItem[]>;
  readonly onProgress: (progress: EngineProgress) => void;
  readonly log: EngineLog;
}

export interface BackupOutcome {
  readonly engine: Manifest['engine'];
  readonly position: Manifest['position'];
  readonly notCovered: Manifest['notCovered'];
  readonly independentCounts: Manifest['independentCounts'];
  readonly tools: Manifest['tools'];
  readonly billOfMaterials: Manifest['billOfMaterials'];
  readonly canary?: Manifest['canary'];
  readonly features?: Manifest['features'];
}

export interface RestoreContext<Connection> {
  readonly connection: Connection;
  readonly connections: number;
  readonly signal: AbortSignal;
  readonly manifest: Manifest;
  /** Only these items, as `schema.table`; everything when missing. @throws ITEM_NOT_FOUND */
  readonly only?: readonly string[];
  readonly read: (itemName: string) => Promise<Readable>;
  readonly onProgress: (progress: EngineProgress) => void;
  readonly log: EngineLog;
}

export interface RestoreOutcome {
  readonly items: number;
  readonly rows: number;
  readonly phases: readonly { readonly name: string; readonly seconds: number }[];
  /** What could not be put back although the data is there, e.g. a role that must be made by hand; shown to the operator. */
  readonly warnings: readonly string[];
  /** Objects of the source that the target lacks or holds only in part although every row is in; empty for a clean restore. */
  readonly faults: readonly RestoreFault[];
}

/** One object that could not be made in the target, with the server's own words. */
export interface RestoreFault {
  /** Kind and qualified name as the engine's own tools print them, e.g. `FK CONSTRAINT public.orders orders_customer_fkey`. */
  readonly object: string;
  readonly message: string;
  /** The engine's error code, e.g. PostgreSQL's SQLSTATE `23503`. */
  readonly sqlState?: string;
}

export interface CheckContext<Connection> {
  readonly connection: Connection;
  readonly manifest: Manifest;
  readonly assertions: readonly { readonly name: string; readonly sql: string }[];
  /** What the restore already named: a check does not fail a second time about these. @default none */
  readonly faults?: readonly RestoreFault[];
  /** Only these tables were restored, as `schema.table`; everything when missing. */
  readonly only?: readonly string[];
  /** What canaries of the source are signed with; without it a canary measures nothing, and the report says so. */
  readonly canaryKey?: CanaryKey;
  /** What to type where the source has no canary. @default `holdfast canary install SOURCE`, of a deployment */
  readonly canaryCommand?: string;
  readonly signal: AbortSignal;
}

export interface CheckReport {
  readonly checks: readonly CheckResult[];
  /** What nobody looked at, each with the reason: `canary: none installed, …`. */
  readonly notChecked: readonly string[];
  /** How far the restored data reaches: its newest canary with a valid signature, else the moment of the snapshot. */
  readonly recoveredTo: Reach;
}

/** The detail of a check that had nothing to look at, so that nobody reads it as something that held. */
export const nothingToCheck = 'none';

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface EngineLog {
  info(message: string, detail?: Readonly<Record<string, unknown>>): void;
  warn(message: string, detail?: Readonly<Record<string, unknown>>): void;
}
