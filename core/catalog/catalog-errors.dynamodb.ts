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
