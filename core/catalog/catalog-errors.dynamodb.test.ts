import { describe, expect, it } from 'vitest';
import { translateDynamoError } from './catalog-errors.dynamodb.ts';

function named(name: string, code?: string): Error {
  return Object.assign(new Error('words of the SDK'), { name, ...(code === undefined ? {} : { code }) });
}

describe('errors of DynamoDB', () => {
  it('are told apart by what an operator has to do', () => {
    const seen = [
      named('ExpiredTokenException'),
      named('AccessDeniedException'),
      named('ThrottlingException'),
      named('Error', 'ECONNREFUSED'),
    ].map((error) => translateDynamoError(error, 'holdfast-shop'));
    expect(seen).toEqual([
      expect.objectContaining({
        code: 'CATALOG_ACCESS_DENIED',
        message: 'the catalogue holdfast-shop refuses these credentials (ExpiredTokenException)',
        hint: expect.stringContaining('the session has expired'),
      }),
      expect.objectContaining({ code: 'CATALOG_ACCESS_DENIED', hint: expect.stringContaining('the role') }),
      expect.objectContaining({ code: 'CATALOG_UNAVAILABLE' }),
      expect.objectContaining({ code: 'CATALOG_UNAVAILABLE' }),
    ]);
  });

  it('pass unchanged when nobody named them', () => {
    const odd = named('ValidationException');
    expect(translateDynamoError(odd, 'holdfast-shop')).toBe(odd);
  });
});
