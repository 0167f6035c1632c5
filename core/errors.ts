/**
 * The catalogue of errors. A code is an outward contract: it is recorded with failed jobs, printed by the command line,
 * and its error name (see {@link errorName}) is what `Retry` and `Catch` match in `statemachines/`. Add codes, never
 * rename or reuse one. `docs/errors.md` is generated from this list.
 */
export interface ErrorDefinition {
  /** One sentence for an operator: when it is raised. */
  readonly when: string;
  /** True when the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;
  /** Exit code of the command line: 1 failed, 2 usage or plan, 3 not found, 4 refused, 5 restored with faults. */
  readonly exitCode: 1 | 2 | 3 | 4 | 5;
}

const failed = (when: string): ErrorDefinition => ({ when, retryable: false, exitCode: 1 });
const transient = (when: string): ErrorDefinition => ({ when, retryable: true, exitCode: 1 });
const usage = (when: string): ErrorDefinition => ({ when, retryable: false, exitCode: 2 });
const notFound = (when: string): ErrorDefinition => ({ when, retryable: false, exitCode: 3 });
const refused = (when: string): ErrorDefinition => ({ when, retryable: false, exitCode: 4 });

export const errorCatalogue = {
  // plan and usage
  PLAN_INVALID: usage('the plan file breaks one or more rules'),
  USAGE: usage('a command was called with arguments that do not fit'),
  SETTING_INVALID: usage('an environment setting of a handler or task is missing or out of range'),
  NOT_SUPPORTED_YET: usage('the plan asks for something this version does not build yet'),
  // vault
  OBJECT_EXISTS: failed('an object with this key is in the vault already; keys are written once'),
  OBJECT_NOT_FOUND: notFound('no version of the object is in the vault'),
  OBJECT_CORRUPT: failed('stored bytes differ from the checksum that the manifest records'),
  OBJECT_TRUNCATED: failed('a stored object is shorter than the manifest records'),
  OBJECT_NOT_LOCKED: failed('an object carries no lock, or one that ends before the retention does'),
  OBJECT_HIDDEN: failed(
    'a delete marker or a newer version stands before the version that the manifest names',
  ),
  OBJECT_UNEXPECTED: failed(
    'the vault holds an object below a recovery point that its manifest does not name',
  ),
  ARCHIVED: refused('the object is in an archive tier and must be thawed first'),
  MANIFEST_NOT_FOUND: notFound('the recovery point has no manifest: it never finished, or does not exist'),
  MANIFEST_INVALID: failed('a manifest cannot be read or does not fit its schema'),
  MANIFEST_TOO_NEW: refused(
    'a recovery point was written by a newer version of Holdfast, in a form that this one would read wrong',
  ),
  MANIFEST_SIGNATURE: failed('no version of the manifest carries a valid signature'),
  MANIFEST_CONFLICT: failed('another writer stored a different manifest under this recovery point'),
  MANIFEST_CHAIN_GAP: failed('the manifest names a predecessor that is under retention but missing'),
  DECRYPT_FAILED: failed('an object cannot be decrypted with the keys that were given'),
  DECOMPRESS_FAILED: failed('a decrypted item cannot be decompressed'),
  KEY_UNAVAILABLE: failed('the key is disabled, pending deletion, missing, or its use is not allowed'),
  SIGNING_KEY_CHANGED: refused(
    'the pinned public key is of another key than the one that the deployment signs with',
  ),
  KEY_FILE_INVALID: usage('the key file is missing, unreadable, open to others, or not a Holdfast key'),
  KEY_MISMATCH: refused('the vault belongs to another key file than the one that was given'),
  VAULT_UNAVAILABLE: transient('the vault does not answer'),
  VAULT_NOT_FOUND: notFound('the bucket or the folder of the vault does not exist'),
  VAULT_FULL: failed('the vault has no space left'),
  VAULT_ACCESS_DENIED: failed('the credentials may not do this in the vault, or have expired'),
  RECOVERY_POINT_NOT_FOUND: notFound('no such recovery point, or none of this source that can be restored'),
  RECOVERY_POINT_ARRIVING: refused(
    'the manifest is here but some of its objects are not: replication has not finished',
  ),
  RECOVERY_POINT_DATED_AHEAD: refused(
    'the recovery point says that it was begun later than now: a clock is wrong, or the point is forged',
  ),
  // sources, engines
  SOURCE_NOT_FOUND: notFound('the plan or the vault has no such source'),
  TARGET_NOT_FOUND: notFound('the plan has no such target'),
  TARGET_NOT_EMPTY: refused('a restore never overwrites: the target holds data'),
  TARGET_TOO_OLD: refused("the target server's major version is below the source's"),
  TARGET_ENCODING: refused("the target database's encoding cannot take every text that the source's can"),
  TARGET_UNREACHABLE: transient('the target of a restore does not accept connections or stopped answering'),
  TARGET_CREDENTIALS: failed('the target of a restore refused the user name or the password'),
  TARGET_PRIVILEGES: failed('the restore user may not write something that must be restored'),
  TARGET_TLS: failed('the TLS connection to the target could not be made or its certificate is not trusted'),
  SOURCE_UNREACHABLE: transient('the source does not accept connections or stopped answering'),
  SOURCE_CREDENTIALS: failed('the source refused the user name or the password'),
  SOURCE_PRIVILEGES: failed('the backup user may not read something that must be backed up'),
  SOURCE_LOCKS: failed('the server has no room for as many table locks as the work takes'),
  SOURCE_TLS: failed('the TLS connection asked for could not be made or its certificate is not trusted'),
  SOURCE_CHANGED: transient('a table was rewritten, truncated or dropped between the snapshot and its lock'),
  DDL_YIELDED: transient('a schema change waited behind the backup and the plan says to give way'),
  COVERAGE_INCOMPLETE: failed('a relation with storage is neither in the backup nor listed as not covered'),
  COUNT_MISMATCH: failed(
    'the rows written to the backup differ from an independent count in the same snapshot',
  ),
  TOOL_MISSING: failed('a program that the engine needs was not found or has the wrong version'),
  TOOL_FAILED: failed('a child process of the engine ended with an error'),
  DISK_FULL: failed('a disk ran out of space'),
  ROWS_NOT_RESTORED: failed(
    'the target did not take all rows of the recovery point; what it did not is named, everything else is in',
  ),
  ITEM_NOT_FOUND: notFound('the recovery point has no such table or item'),
  NOT_TESTABLE_HERE: failed('the restore test cannot be done in this place: never counted as passed'),
  RESTORED_WITH_FAULTS: {
    when: 'every row is in the target, and objects that are listed could not be made; with --strict this fails the restore',
    retryable: false,
    exitCode: 5,
  },
  CHECK_FAILED: failed('a content check on restored data did not hold'),
  CANARY_NOT_FOUND: notFound('the database has no canary table'),
  CANARY_CONFLICT: refused('another table stands where the canary table would be made'),
  CANARY_STALE: failed(
    'the newest genuine canary is too old, or there is none: nothing writes into the source',
  ),
  // jobs, catalogue
  JOB_NOT_FOUND: notFound('no such job'),
  JOB_ALREADY_RUNNING: refused('another job holds the lease of this source'),
  JOB_ABORTED: failed('the job was told to stop'),
  TASK_KILLED: transient(
    'the task of a job ended without saying why: killed, out of memory, or never started',
  ),
  ILLEGAL_TRANSITION: failed('a record was asked to change into a state it cannot reach from where it is'),
  CONDITION_FAILED: transient('another writer changed the record first'),
  STALE_EPOCH: refused('the order carries an epoch that is no longer current'),
  REGION_NOT_ACTIVE: refused('this Region is not the active one and stands down'),
  CATALOG_UNAVAILABLE: transient('the catalogue does not answer'),
  CATALOG_ACCESS_DENIED: failed('the credentials may not do this in the catalogue, or have expired'),
  LEASE_LOST: failed('the lease of this source ran out or was taken over while the job was running'),
  REPLICATION_LATE: failed('the other Region has no complete copy within the time allowed'),
  // sandbox, command line
  SANDBOX: failed('the local sandbox could not do what was asked'),
  SANDBOX_NOT_RUNNING: notFound('no sandbox is running'),
  DEPLOYMENT_NOT_FOUND: notFound('Holdfast is not deployed in this account and Region'),
  INTERNAL: failed('a fault of Holdfast itself; please report it'),
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface HoldfastErrorOptions extends ErrorOptions {
  /** The question an operator should ask next, or the command to run. */
  readonly hint?: string;
  /** Facts for the log and `--json`; never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Every error that Holdfast raises on purpose. Message: lower case, no full stop, what failed + value received + what is allowed. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly detail: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = errorName(code);
    this.code = code;
    this.hint = options.hint;
    this.detail = options.detail;
  }

  get retryable(): boolean {
    return errorCatalogue[this.code].retryable;
  }

  get exitCode(): number {
    return errorCatalogue[this.code].exitCode;
  }
}

/** `OBJECT_NOT_FOUND` → `ObjectNotFound`: the error's class-like name, as Step Functions sees it. */
export function errorName(code: ErrorCode): string {
  return code
    .toLowerCase()
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

export function isHoldfastError(error: unknown, code?: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && (code === undefined || error.code === code);
}

/** The code to record for any thrown value: its own, or INTERNAL for what nobody named. */
export function errorCodeOf(error: unknown): ErrorCode {
  return error instanceof HoldfastError ? error.code : 'INTERNAL';
}

/** The code behind a recorded code or an error's name, `undefined` for what is not ours. */
export function errorCodeByName(name: string): ErrorCode | undefined {
  return (Object.keys(errorCatalogue) as ErrorCode[]).find(
    (code) => code === name || errorName(code) === name,
  );
}

/** For the end of a switch over a union: fails to compile when a member was forgotten. */
export function assertNever(value: never): never {
  throw new HoldfastError('INTERNAL', `unexpected value ${JSON.stringify(value)}`);
}
