import { ResourceNotFoundException, TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { HoldfastError } from '../errors.ts';

const transientNames = new Set([
  'InternalServerError',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'ThrottlingException',
  'ServiceUnavailable',
  'ReplicatedWriteConflictException',
  'TransactionInProgressException',
  'TimeoutError',
  'NetworkingError',
  'AbortError',
]);
const transientCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** What the SDK calls it → the question to ask next. */
const accessHints: Readonly<Record<string, string>> = {
  AccessDeniedException: 'does the role allow this on the table, and on its KMS key?',
  UnrecognizedClientException: 'which credentials does this process use?',
  InvalidSignatureException: 'which credentials does this process use, and is the clock of this host right?',
  IncompleteSignatureException: 'which credentials does this process use?',
  MissingAuthenticationTokenException: 'which credentials does this process use?',
  ExpiredTokenException: 'the session has expired: sign in again, for example with aws sso login',
};

/** Names the SDK's errors that Holdfast knows; all others pass unchanged. */
export function translateDynamoError(error: unknown, table: string): unknown {
  if (error instanceof ResourceNotFoundException) {
    return new HoldfastError(
      'DEPLOYMENT_NOT_FOUND',
      `there is no table ${table} in this account and Region`,
      {
        hint: 'was the plan deployed here, and is this the account and Region of the plan?',
        cause: error,
      },
    );
  }
  const { name, code } = (error ?? {}) as { readonly name?: string; readonly code?: string };
  if ((name !== undefined && transientNames.has(name)) || (code !== undefined && transientCodes.has(code))) {
    return new HoldfastError(
      'CATALOG_UNAVAILABLE',
      `the catalogue ${table} does not answer (${code ?? name})`,
      {
        hint: 'is DynamoDB reachable from here? the vault is not affected',
        cause: error,
      },
    );
  }
  const hint = accessHints[name ?? ''];
  if (hint !== undefined) {
    return new HoldfastError(
      'CATALOG_ACCESS_DENIED',
      `the catalogue ${table} refuses these credentials (${name})`,
      { hint, cause: error },
    );
  }
  return error;
}

/** Why each part of a refused transaction was refused, `undefined` for any other error. `None` marks the parts that were fine. */
export function cancellationReasons(error: unknown): readonly string[] | undefined {
  if (!(error instanceof TransactionCanceledException)) return undefined;
  return (error.CancellationReasons ?? []).map((reason) => reason.Code ?? 'None');
}

/** A conditional write that lost: as one write, or as part of a transaction. */
export function isConditionFailure(error: unknown): boolean {
  if ((error as { name?: string } | undefined)?.name === 'ConditionalCheckFailedException') return true;
  return (
    cancellationReasons(error)?.some(
      (code) => code === 'ConditionalCheckFailed' || code === 'TransactionConflict',
    ) ?? false
  );
}
