import { redact } from './pg-errors.ts';

/** Without these, rows have no place to go, or cannot be seen where they belong. */
const essential =
  /^(?:CREATE (?:UNLOGGED )?TABLE|CREATE (?:UNLOGGED )?SEQUENCE|ALTER TABLE .* (?:ATTACH PARTITION|ADD GENERATED)) /;
const longestCommand = 200;

interface ReportedError {
  readonly message: string;
  command: string;
}

/** Gathers what pg_restore reports: one text per error, led by the command that failed. */
export class ErrorLog {
  readonly #errors: ReportedError[] = [];
  readonly #notices: string[] = [];
  /** Those of the last line that had any; their commands follow. */
  #last: readonly ReportedError[] = [];
  #reported = 0;
  #ignored: number | undefined;

  /**
   * True when pg_restore went on after its errors, and all of them were read: one that was not might be any. With
   * parallel jobs it counts an error twice, in the job and when that has ended (seen with 18).
   */
  isComplete(jobs: number): boolean {
    if (this.#ignored === undefined) return false;
    return this.#reported >= (jobs > 1 ? this.#ignored / 2 : this.#ignored);
  }

  add(line: string): void {
    const ignored = /errors ignored on restore: (\d+)/.exec(line)?.[1];
    if (ignored !== undefined) this.#ignored = Number(ignored);
    const messages = messagesOf(line);
    if (messages.length > 0) {
      this.#reported += messages.length;
      this.#last = messages.map((message) => ({ message: redact(message), command: '' }));
      if (this.#errors.length < 1000) this.#errors.push(...this.#last);
      return;
    }
    // A grant by a user who may not give it is no error for the server.
    const notGiven = /WARNING: +((?:no|not all) privileges (?:were|could).*)$/.exec(line)?.[1];
    if (notGiven !== undefined) this.#notices.push(notGiven);
    const command = /^Command was: (.*)$/.exec(line)?.[1];
    const last = this.#last.find((error) => error.command === '');
    if (command !== undefined && last !== undefined) last.command = withoutSecrets(command);
  }

  /** Which errors leave the data whole, and the first that does not. `denied` remembers from one run to the next what was not allowed. */
  judge(
    isTolerable: (error: string) => boolean,
    denied: string[],
  ): { readonly warnings: string[]; readonly fatal?: string } {
    const warnings = [...this.#notices];
    for (const error of this.#errors) {
      const text = textOf(error);
      const isThere = text.includes('already exists');
      // What was not allowed to be made is missing afterwards, with all that belongs to it.
      const follows = denied.length > 0 && error.message.includes('does not exist');
      if (!isTolerable(text) && !follows) return { warnings, fatal: text };
      if (essential.test(`${error.command} `) && !isThere) {
        return { warnings, fatal: denied.length === 0 ? text : `${text} (before that ${denied[0]})` };
      }
      if (error.command.startsWith('CREATE ') && !isThere) denied.push(text);
      warnings.push(text);
    }
    return { warnings };
  }
}

/**
 * Parallel jobs share one standard error, and pg_restore writes a line in pieces: two jobs that fail at once leave one line
 * with both messages behind both prefixes, and then an empty one. A message itself is one piece.
 */
function messagesOf(line: string): string[] {
  const failures = line.split('could not execute query: ').slice(1);
  if (failures.length > 0)
    return failures.map((text) => text.replace(/^ERROR: +/, '').replace(/(?:pg_restore: |error: )*$/, ''));
  const message = /^(?:pg_restore: )+(?:\[archiver[^\]]*\] )?(?:error: )+(.+)$/.exec(line)?.[1];
  return message === undefined ? [] : [message];
}

function textOf({ command, message }: ReportedError): string {
  return command === '' ? message : `${command}: ${message}`;
}

/** The first line names what a command is about; connections and options may hold passwords. */
function withoutSecrets(command: string): string {
  const named = command.replace(/ (?:CONNECTION|OPTIONS)\b.*$/, '').replace(/[\s;(]+$/, '');
  return redact(named).slice(0, longestCommand);
}
