import { HoldfastError } from '../../errors.ts';
import { plural } from '../../plural.ts';
import type { EngineLog, RestoreFault } from '../engine.ts';
import { hintOf, isAnswer } from './pg-errors.ts';
import type { RunReport } from './restore-archive.ts';
import type { ReportedError } from './restore-errors.ts';
import { describeEntry } from './restore-toc.ts';
import type { Session } from './session.ts';

/** Rows of the recovery point that the target did not take. */
export interface LostRows {
  /** Of the table, sequence or list of large objects. */
  readonly name: string;
  /** Missing where rows are not what is lost: a sequence's state. */
  readonly rows?: number;
  readonly message: string;
  readonly sqlState?: string;
}

/** Ownership, rights and comments that the restoring user may not set, on managed services above all. */
const rightsError =
  /must be (?:owner|superuser|able to SET ROLE|member|a superuser)|permission denied|role ".*" does not exist|Only roles with|no privileges (?:were|could)/i;

/** What an object has beside itself: without it the object is all there. */
const besideKinds = new Set(['ACL', 'DEFAULT ACL', 'COMMENT', 'SECURITY LABEL']);

/** duplicate_schema, duplicate_table, duplicate_object, duplicate_function */
const duplicateStates = new Set(['42P06', '42P07', '42710', '42723']);

/** How long the server may work on a failed definition only to tell its error code; then the fault goes without. */
const diagnoseSeconds = 10;
const mostDiagnosed = 200;

/**
 * Everything that did not come through, in the server's words. Ownership, rights and comments that may not be set are
 * warnings; an object that is missing, or not as it was, is a fault; rows that are missing fail the restore in the end.
 * The server's detail and context are left out: they quote rows.
 */
export class FaultLog {
  readonly faults: RestoreFault[] = [];
  readonly #session: Session;
  readonly #log: EngineLog;
  readonly #warnings = new Set<string>();
  readonly #lost: LostRows[] = [];
  #diagnosed = 0;
  /** Reports come in from several lanes, and the session asks for one at a time. */
  #taken: Promise<void> = Promise.resolve();

  constructor(session: Session, log: EngineLog) {
    this.#session = session;
    this.#log = log;
  }

  get warnings(): string[] {
    return [...this.#warnings];
  }

  warn(warnings: readonly string[]): void {
    for (const warning of warnings) {
      this.#warnings.add(warning);
      this.#log.warn(warning);
    }
  }

  /** `mayExist`: what the target has already is what was wanted. */
  async take(report: RunReport, { mayExist = false } = {}): Promise<void> {
    const before = this.#taken;
    this.#taken = before.then(() => this.#take(report, mayExist));
    await this.#taken;
  }

  async #take(report: RunReport, mayExist: boolean): Promise<void> {
    this.warn(report.notices);
    for (const error of report.errors) {
      const isBeside = error.isBeside || besideKinds.has(error.entry?.kind ?? '');
      const fault = await this.#faultOf(error);
      if (mayExist && isDuplicate(fault)) continue;
      if (isBeside && isAboutRights(fault))
        this.warn([error.command === '' ? fault.message : `${error.command}: ${fault.message}`]);
      else this.#add(fault, error.isBeside);
    }
  }

  lose(lost: LostRows): void {
    this.#lost.push(lost);
    const { name, rows, message } = lost;
    this.#log.warn(
      `${name}${rows === undefined ? '' : ` (${plural(rows, 'row')})`} could not be brought in: ${message}`,
    );
  }

  /** @throws ROWS_NOT_RESTORED naming every table */
  throwIfRowsAreMissing(): void {
    const [first] = this.#lost;
    if (first === undefined) return;
    const [root] = this.faults;
    const named = this.#lost.slice(0, 10).map((lost) => {
      const own = this.faults.find(({ object }) => object === `TABLE ${lost.name}`);
      const rows = lost.rows === undefined ? '' : ` (${plural(lost.rows, 'row')})`;
      return `${lost.name}${rows}: ${own?.message ?? lost.message}`;
    });
    const more = this.#lost.length - named.length;
    const before = root === undefined ? '' : `; the first fault was ${root.object}: ${root.message}`;
    const causes = [
      ...this.faults.map(({ message }) => message),
      ...this.#lost.map(({ message }) => message),
    ];
    const cause = causes.map((message) => hintOf(message)).find((hint) => hint !== undefined);
    throw new HoldfastError(
      'ROWS_NOT_RESTORED',
      `${this.#lost.length} of the recovery point's items could not be brought in, everything else is in the target: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}${before}`,
      {
        hint:
          cause ??
          'mend what the server names, then restore these with --table, or everything into a new database',
        detail: { lost: this.#lost, faults: this.faults },
      },
    );
  }

  #add(fault: RestoreFault, isBeside: boolean): void {
    // An object that could not be made has no owner either.
    if (isBeside && this.faults.some(({ object }) => object === fault.object)) return;
    this.faults.push(fault);
    this.#log.warn(`${fault.object}: ${fault.message}`);
  }

  /** pg_restore does not print error codes, so the server is asked once more, in a transaction that is taken back. */
  async #faultOf({ entry, command, message, isBeside }: ReportedError): Promise<RestoreFault> {
    const object = entry === undefined ? command || 'pg_restore' : describeEntry(entry);
    if (entry === undefined || isBeside || this.#diagnosed >= mostDiagnosed) return { object, message };
    this.#diagnosed += 1;
    const answer = await this.#refusalOf(entry.definition);
    if (answer === undefined || !answer.message.startsWith(message)) return { object, message };
    return { object, ...answer };
  }

  async #refusalOf(definition: string): Promise<Omit<RestoreFault, 'object'> | undefined> {
    const session = this.#session;
    await session.query(
      `BEGIN READ WRITE; SET LOCAL statement_timeout TO '${diagnoseSeconds}s'; SET LOCAL lock_timeout TO '1s'; SET LOCAL check_function_bodies TO off`,
    );
    try {
      await session.run(definition);
      return undefined;
    } catch (error) {
      return refusalOf(error);
    } finally {
      await session.query('ROLLBACK');
    }
  }
}

/** What the server answered to one statement. @throws the error itself when server or disk are at their end */
export function refusalOf(error: unknown): { readonly message: string; readonly sqlState?: string } {
  const cause = error instanceof HoldfastError ? error.cause : error;
  // Shutdown, disk full, too many connections: nothing else would come in either.
  if (!isAnswer(cause) || /^(?:57P|53100|53300)/.test(cause.code ?? '')) throw error;
  return { message: cause.message, ...(cause.code !== undefined && { sqlState: cause.code }) };
}

function isDuplicate({ message, sqlState }: RestoreFault): boolean {
  return sqlState === undefined ? /already exists/i.test(message) : duplicateStates.has(sqlState);
}

function isAboutRights({ message, sqlState }: RestoreFault): boolean {
  return rightsError.test(message) || sqlState === '42501';
}
