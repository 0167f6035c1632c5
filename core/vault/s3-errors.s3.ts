import { S3ServiceException } from '@aws-sdk/client-s3';
import { type ErrorCode, HoldfastError } from '../errors.ts';

/** What S3 and the SDK call it → what we call it, with the question to ask next. */
const codeOfName: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  NoSuchBucket: ['VAULT_NOT_FOUND', 'is the bucket spelt right, and is this its account and Region?'],
  PermanentRedirect: ['VAULT_NOT_FOUND', 'the bucket is in another Region: set AWS_REGION to it'],
  AccessDenied: ['VAULT_ACCESS_DENIED', 'does the role allow this on this prefix, and on the KMS key?'],
  Forbidden: ['VAULT_ACCESS_DENIED', 'does the role allow this on this prefix?'],
  AllAccessDisabled: ['VAULT_ACCESS_DENIED', 'is the account closed or suspended?'],
  InvalidAccessKeyId: ['VAULT_ACCESS_DENIED', 'which credentials does this process use?'],
  SignatureDoesNotMatch: ['VAULT_ACCESS_DENIED', 'which credentials does this process use?'],
  ExpiredToken: ['VAULT_ACCESS_DENIED', 'the session has expired: sign in again'],
  ExpiredTokenException: ['VAULT_ACCESS_DENIED', 'the session has expired: sign in again'],
  InvalidToken: ['VAULT_ACCESS_DENIED', 'the session token is not valid: sign in again'],
  RequestTimeTooSkewed: ['VAULT_ACCESS_DENIED', 'is the clock of this host right?'],
  CredentialsProviderError: ['VAULT_ACCESS_DENIED', 'no credentials were found: sign in, or set AWS_PROFILE'],
  InvalidObjectState: [
    'ARCHIVED',
    'in which storage class is it? aws s3api head-object tells, restore-object thaws',
  ],
  QuotaExceeded: ['VAULT_FULL', 'raise the quota of the bucket'],
  XMinioStorageFull: ['VAULT_FULL', 'add disks to the storage server'],
  'KMS.DisabledException': ['KEY_UNAVAILABLE', 'enable the KMS key of the bucket'],
  'KMS.KMSInvalidStateException': ['KEY_UNAVAILABLE', 'is the KMS key pending deletion? cancel it'],
  'KMS.NotFoundException': ['KEY_UNAVAILABLE', 'was the KMS key of the bucket deleted?'],
};

const transientNames: ReadonlySet<string> = new Set([
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'ThrottlingException',
  'Throttling',
  'RequestTimeout',
  'TimeoutError',
  'OperationAborted',
  'ConditionalRequestConflict',
  // Bytes that changed on the way: the next try sends them again.
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'IncompleteBody',
]);

/** True for what may work a moment later: no connection, no answer, an overloaded or failing server. */
export function isTransient(error: unknown): boolean {
  if (error instanceof HoldfastError || isAbort(error)) return false;
  if (!(error instanceof S3ServiceException)) return !isNamed(error) && isNetworkFailure(error);
  const status = error.$metadata.httpStatusCode ?? 0;
  if (transientNames.has(error.name)) return true;
  return !isNamed(error) && (status >= 500 || status === 429 || status === 408);
}

/** No such key or version, or a delete marker in its place. */
export function isNotFound(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  const names = ['NoSuchKey', 'NotFound', 'NoSuchVersion', 'MethodNotAllowed'];
  return (
    names.includes(error.name) || (error.$metadata.httpStatusCode === 405 && error.name !== 'NoSuchBucket')
  );
}

export function isPreconditionFailed(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412;
}

export function isNoSuchUpload(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchUpload';
}

/** S3's word in ours; what has no name here stays as it is. */
export function toS3VaultError(error: unknown, action: string): unknown {
  if (error instanceof HoldfastError || isAbort(error)) return error;
  const name = nameOf(error);
  const known = codeOfName[name];
  const said = `${name}: ${(error as Error).message}`;
  if (known !== undefined) {
    return new HoldfastError(known[0], `cannot ${action}: ${said}`, { cause: error, hint: known[1] });
  }
  if (!isTransient(error)) return error;
  return new HoldfastError('VAULT_UNAVAILABLE', `cannot ${action}: ${said}`, {
    cause: error,
    hint: 'is the network there, and is the Region up?',
  });
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'Error';
  // A HEAD has no body to carry a code, so the SDK makes the name from the status.
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  if (status === 403 && codeOfName[error.name] === undefined) return 'Forbidden';
  return error.name;
}

function isNamed(error: unknown): boolean {
  return codeOfName[nameOf(error)] !== undefined;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function isNetworkFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const codes = /^(ECONN|EPIPE|EHOST|ENET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ERR_STREAM_PREMATURE_CLOSE|EPROTO)/;
  return codes.test(code) || transientNames.has(error.name) || /socket hang up|aborted/i.test(error.message);
}
