import { bytesOfText, textOfBytes } from './byte-text.ts';
import { redact } from './pg-errors.ts';
import type { TocEntry } from './restore-toc.ts';

/** Of a command of 128 bytes (DB_MAX_ERR_STMT) or more pg_restore quotes this many, and then three dots. */
const quotedBytes = 124;
const longestCommand = 200;
const mostErrors = 10_000;

/** One thing that pg_restore reported. */
export interface ReportedError {
  /** What the server said, without its severity; the first line. */
  readonly message: string;
  /** First line of the command that failed, without what may be secret; empty where there was none. */
  readonly command: string;
  /** What pg_restore was making. */
  readonly entry?: TocEntry;
  /** True where the command was not the entry's own definition but its owner, or a setting before it. */
  readonly isBeside: boolean;
}

interface ErrorBlock {
  readonly said: string;
  command: string;
  readonly mentioned: readonly number[];
}

/** Gathers what pg_restore reports, and works out which entry each error is about. */
export class ErrorLog {
  readonly notices: string[] = [];
  readonly #blocks: ErrorBlock[] = [];
  /** Those of the last line that had any; their commands follow. */
  #last: readonly ErrorBlock[] = [];
  /** Whose command the next lines go on with. */
  #open: ErrorBlock | undefined;
  /** Entries that were named and had no error yet; with parallel jobs several. */
  #mentioned: number[] = [];
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
    const next = leadsWithFailure.test(line) ? 0 : line.search(failure);
    if (next > 0) {
      this.#addPiece(line.slice(0, next));
      this.#addPiece(line.slice(next));
    } else this.#addPiece(line);
  }

  #addPiece(line: string): void {
    const ignored = /errors ignored on restore: (\d+)/.exec(line)?.[1];
    if (ignored !== undefined) this.#ignored = Number(ignored);
    const entries = [...line.matchAll(/from TOC entry (\d+);/g)].map(([, id]) => Number(id));
    if (isOwnLine(line) && entries.length > 0) {
      this.#open = undefined;
      this.#mentioned = [...this.#mentioned.slice(-20), ...entries];
      return;
    }
    const messages = messagesOf(line);
    if (messages.length > 0) {
      this.#open = undefined;
      this.#reported += messages.length;
      this.#last = messages.map((said) => ({ said, command: '', mentioned: this.#mentioned }));
      if (this.#blocks.length < mostErrors) this.#blocks.push(...this.#last);
      return;
    }
    // A grant by a user who may not give it is no error for the server.
    const notGiven = /WARNING: +((?:no|not all) privileges (?:were|could).*)$/s.exec(line)?.[1];
    if (notGiven !== undefined) this.notices.push(notGiven);
    const command = /^Command was: (.*)$/s.exec(line)?.[1];
    if (command !== undefined) {
      this.#open = this.#last.find((error) => error.command === '');
      if (this.#open !== undefined) this.#open.command = command;
    } else if (isOwnLine(line)) this.#open = undefined;
    else if (this.#open !== undefined && this.#open.command.length < 4 * quotedBytes)
      this.#open.command += `\n${line}`;
  }

  /** What ended the work of pg_restore itself: its connection, or a full disk. Everything else it passes over. */
  fatal(): string | undefined {
    const block = this.#blocks.find(({ said }) => isFatal(said));
    if (block === undefined) return undefined;
    const command = withoutSecrets(block.command);
    return command === '' ? block.said : `${command}: ${block.said}`;
  }

  /** All errors that it passed over, in the archive's order: parallel jobs meet them in any. */
  errors(entries: readonly TocEntry[]): ReportedError[] {
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    const places = new Map(entries.map(({ id }, place) => [id, place]));
    const placeOf = ({ entry }: ReportedError) => (entry === undefined ? -1 : (places.get(entry.id) ?? -1));
    const errors = this.#blocks.map(({ said, command, mentioned }): ReportedError => {
      const named = mentioned.flatMap((id) => byId.get(id) ?? []);
      const isOf = ({ definition }: TocEntry) => isQuoted(command, definition);
      const own = named.findLast(isOf) ?? entries.find(isOf);
      const entry = own ?? named.at(-1);
      return {
        message: redact(severityAndText(said)?.text ?? said),
        command: withoutSecrets(command),
        ...(entry !== undefined && { entry }),
        isBeside: own === undefined,
      };
    });
    return errors.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

/** Whether a command is the quoted beginning of a definition, or all of it; what another job wrote may follow in the same lines. */
function isQuoted(command: string, definition: string): boolean {
  const whole = definition.trim();
  if (whole === '') return false;
  const quoted = command.trimStart();
  if (quoted.startsWith(whole)) return true;
  // The cut may fall into a character.
  const cut = bytesOfText(whole).subarray(0, quotedBytes);
  return [cut.toString('utf8'), textOfBytes(cut)].some((text) => quoted.startsWith(`${text}...`));
}

/** What the server said is led by a severity in its own language; what the client library says of a lost connection is not. */
function severityAndText(said: string): { readonly severity: string; readonly text: string } | undefined {
  const [, severity, text] = /^(?:could not [^:]*: )?(\p{Lu}{3,}): {2}(.*)$/su.exec(said) ?? [];
  return severity === undefined || text === undefined ? undefined : { severity, text };
}

function isFatal(said: string): boolean {
  const answer = severityAndText(said);
  if (answer === undefined || /^(?:FATAL|PANIC)$/.test(answer.severity)) return true;
  return /no space left on device|disk quota exceeded|could not extend file|wrote only \d+ of \d+ bytes/i.test(
    answer.text,
  );
}

/** What pg_restore says of its work; a job's may come behind the word that leads another's error. */
const narration =
  /^(?:finished|launching|skipping|processing|creating|dropping|entering|reducing|connecting|setting|executing|disabling|enabling|from TOC|while|table ".*" could not be created)\b/s;

/** It may stand behind another job's command, whose line feed is a piece of its own. */
const failure = /could not execute query: /;
const leadsWithFailure = /^(?: |pg_restore:|error:)*could not execute query: /;

/** Program, space and severity are three pieces, so that those of several jobs lead a line in any order. */
function isOwnLine(line: string): boolean {
  return /^ ?pg_restore:/.test(line);
}

/**
 * Parallel jobs share one standard error, and pg_restore writes a line in pieces: two jobs that fail at once leave one line
 * with both messages behind both prefixes, and then an empty one. A message itself is one piece.
 */
function messagesOf(line: string): string[] {
  const failures = line.split('could not execute query: ').slice(1);
  if (failures.length > 0) return failures.map((text) => text.replace(/(?:pg_restore: |error: )*$/, ''));
  const message = /^ ?(?:pg_restore: ?)+(?:\[archiver[^\]]*\] )?(?: ?(?:pg_restore: ?)*error: )+(.+)$/s.exec(
    line,
  )?.[1];
  // The pieces that lead another job's line may stand before what this one narrates.
  const text = message?.replace(/^(?: |pg_restore:|error:)+/, '') ?? '';
  return text === '' || narration.test(text) ? [] : [text];
}

/** The first line names what a command is about; connections and options may hold passwords. */
function withoutSecrets(command: string): string {
  const [first = ''] = command.split('\n');
  const named = first.replace(/ (?:CONNECTION|OPTIONS)\b.*$/, '').replace(/[\s;(]+$/, '');
  return redact(named).slice(0, longestCommand);
}
