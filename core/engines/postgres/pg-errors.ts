import pg from 'pg';
import { type ErrorCode, HoldfastError, isHoldfastError } from '../../errors.ts';

const bySqlState: Readonly<Record<string, ErrorCode>> = {
  '28000': 'SOURCE_CREDENTIALS',
  '28P01': 'SOURCE_CREDENTIALS',
  '3D000': 'SOURCE_UNREACHABLE',
  '42501': 'SOURCE_PRIVILEGES',
  '53100': 'DISK_FULL',
  '53300': 'SOURCE_UNREACHABLE',
  '57P01': 'SOURCE_UNREACHABLE',
  '57P02': 'SOURCE_UNREACHABLE',
  '57P03': 'SOURCE_UNREACHABLE',
  '57P05': 'SOURCE_UNREACHABLE',
  '42P01': 'SOURCE_CHANGED',
  '3F000': 'SOURCE_CHANGED',
  '55P03': 'SOURCE_CHANGED',
  '40P01': 'SOURCE_CHANGED',
};

const hints: Partial<Record<ErrorCode, string>> = {
  SOURCE_CREDENTIALS:
    'are user name and password in the secret those of the server, and does pg_hba.conf let this host in?',
  SOURCE_PRIVILEGES:
    'grant pg_read_all_data to the backup user, and BYPASSRLS where tables have row security; restore as the owner of the target database',
  SOURCE_UNREACHABLE: 'is the server running, and do host, port and security groups let this place reach it?',
  SOURCE_TLS:
    'does the server offer TLS, and does its certificate chain to the given authorities and name its host?',
  SOURCE_LOCKS: 'raise max_locks_per_transaction, and start the server again',
  DISK_FULL:
    'make room where the database server keeps its data; a restore then needs a new, empty target, because this one holds a part only',
};

const recoveryConflict = /due to conflict with recovery/i;
const encodingTrouble = /has no equivalent in encoding|invalid byte sequence for encoding/i;
const extensionMissing = /extension "[^"]*" is not available|could not open extension control file/i;

/** A client program tells no code; a server of another language says it in other words. */
const databaseMissing = /database "((?:[^"]|"")+)" does not exist/i;

/** How RDS refuses a token: it checks them by PAM. */
const tokenRefused = /PAM authentication failed/i;

/** What the words of the server tell better than the code. */
function hintFor(
  named: ErrorCode | undefined,
  message: string,
  state?: string | undefined,
): string | undefined {
  if (recoveryConflict.test(message)) {
    return 'replication needs what the backup still reads: set hot_standby_feedback = on and raise max_standby_streaming_delay on the standby, or back up the primary';
  }
  if (encodingTrouble.test(message)) {
    return 'is all text valid in the encoding that the source declares, and has the target the same one (CREATE DATABASE … ENCODING … TEMPLATE template0)?';
  }
  if (extensionMissing.test(message)) {
    return "install the extension on the target's server, in the source's version or newer, and restore into a new database";
  }
  const database = databaseMissing.exec(message)?.[1];
  if (named === 'SOURCE_UNREACHABLE' && (database !== undefined || state === '3D000')) {
    const create = database === undefined ? 'create the database' : `create database "${database}"`;
    return `the server answers: ${create} there, or name another one in the connection`;
  }
  if (tokenRefused.test(message)) {
    return 'has the user the role rds_iam, is IAM authentication on at the server, and may this role rds-db:connect as that user?';
  }
  return named === undefined ? undefined : hints[named];
}

interface PgLikeError {
  readonly message: string;
  readonly code?: string;
  /** The server's own. */
  readonly hint?: string;
}

const locksFull = /out of shared memory/i;

/** Gives an error of the driver its stable code; errors that nobody can name pass unchanged. */
export function translatePgError(error: unknown, doing: string): unknown {
  if (isHoldfastError(error) || !(error instanceof Error)) return error;
  const { message, code, hint } = error as PgLikeError;
  const named = codeOf(code, message, isAnswer(error));
  if (named === undefined && code === undefined) return error;
  return new HoldfastError(named ?? 'TOOL_FAILED', `${doing}: ${message}`, {
    cause: error,
    hint: withServersHint(hintFor(named, message, code), hint),
    detail: { sqlState: code },
  });
}

/** The server's answer to a statement; a FATAL one comes with the end of the connection. */
export function isAnswer(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && error.severity !== 'FATAL' && error.severity !== 'PANIC';
}

/** The hint for what the server answered to a statement, for whoever has only its words. */
export function hintOf(message: string): string | undefined {
  return hintFor(codeOf(undefined, message, true), message);
}

/** The same for what a client program said on standard error; `undefined` when it is none of the known troubles. */
export function errorFromLines(lines: readonly string[], doing: string): HoldfastError | undefined {
  for (const line of lines) {
    const state = /(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}): /.exec(line)?.[1];
    const named = codeOf(state, line);
    if (named === undefined) continue;
    return new HoldfastError(named, `${doing}: ${line}`, {
      hint: withServersHint(hintFor(named, line, state), hintIn(lines)),
      detail: { lastLines: lines.map(redact) },
    });
  }
  return undefined;
}

function hintIn(lines: readonly string[]): string | undefined {
  return lines.map((line) => /(?:^|\s)HINT:\s+(.*)/.exec(line)?.[1]).find((hint) => hint !== undefined);
}

/** What the server advises knows the case better than a hint for all cases of a code, and is never left out. */
function withServersHint(ours: string | undefined, servers: string | undefined): string | undefined {
  if (servers === undefined) return ours;
  const told = redact(servers.replace(/\.$/, ''));
  return ours === undefined ? told : `${ours}; the server says: ${told}`;
}

/** `isAnswered`: a server that answers is reachable, whatever a foreign one behind it said. */
function codeOf(code: string | undefined, message: string, isAnswered = false): ErrorCode | undefined {
  if (locksFull.test(message)) return 'SOURCE_LOCKS';
  if (code !== undefined && bySqlState[code] !== undefined) return bySqlState[code];
  if (
    /(?:password|PAM) authentication failed|no password supplied|no pg_hba\.conf entry|password must be a string/i.test(
      message,
    )
  ) {
    return 'SOURCE_CREDENTIALS';
  }
  if (
    /does not support SSL|certificate (?:verify|has|is|chain)|self-signed certificate|SSL error|server certificate|root certificate|does not match certificate|unable to (?:get|verify)/i.test(
      message,
    ) ||
    /^(ERR_TLS|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO)/.test(code ?? '')
  ) {
    return 'SOURCE_TLS';
  }
  // A write that came through in part says so instead; pg_restore shows no SQLSTATE.
  if (/no space left on device|disk quota exceeded|wrote only \d+ of \d+ bytes/i.test(message))
    return 'DISK_FULL';
  if (/^(ECONN|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EPIPE|EAI_)/.test(code ?? ''))
    return 'SOURCE_UNREACHABLE';
  // A socket of this machine that is not there, or not for us.
  if (/^connect (?:ENOENT|EACCES)\b/.test(message)) return 'SOURCE_UNREACHABLE';
  if (!isAnswered && unreachable.test(message)) return 'SOURCE_UNREACHABLE';
  if (/permission denied|row-level security/i.test(message)) return 'SOURCE_PRIVILEGES';
  if (/canceling statement due to lock timeout/i.test(message) || recoveryConflict.test(message))
    return 'SOURCE_CHANGED';
  if (encodingTrouble.test(message) || extensionMissing.test(message)) return 'TOOL_FAILED';
  return undefined;
}

const unreachable =
  /connection terminated|connection refused|could not connect|server closed the connection|connection to server .* failed|no connection to the server|timeout expired|could not translate host name|SSL SYSCALL|could not receive data/i;

/** Takes out what must not reach a log: passwords in the text of commands that a tool quotes. */
export function redact(line: string): string {
  return line
    .replaceAll(/(password\s*=?\s*)('(?:[^']|'')*'|\S+)/gi, '$1***')
    .replaceAll(/(Command was: (?:CREATE|ALTER) (?:USER MAPPING|SUBSCRIPTION|SERVER)).*/gi, '$1 …');
}
