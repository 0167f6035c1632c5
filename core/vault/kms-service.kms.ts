import {
  DecryptCommand,
  type DecryptCommandInput,
  EncryptCommand,
  type EncryptCommandInput,
  GenerateDataKeyCommand,
  type GenerateDataKeyCommandInput,
  GetPublicKeyCommand,
  KMSClient,
  KMSServiceException,
  SignCommand,
} from '@aws-sdk/client-kms';
import { type ErrorCode, HoldfastError } from '../errors.ts';
import { withRetry } from './retry.ts';

const codeOfName: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  DisabledException: ['KEY_UNAVAILABLE', 'enable the key, or read with the break-glass key'],
  KMSInvalidStateException: ['KEY_UNAVAILABLE', 'is the key pending deletion? cancel it at once'],
  NotFoundException: [
    'KEY_UNAVAILABLE',
    'does the key exist in this Region? if not, read with the break-glass key',
  ],
  AccessDeniedException: ['KEY_UNAVAILABLE', 'do the key policy and the role allow this use of the key?'],
  InvalidKeyUsageException: ['KEY_UNAVAILABLE', 'were the vault key and the signing key mixed up?'],
  ExpiredTokenException: ['VAULT_ACCESS_DENIED', 'the session has expired: sign in again'],
  UnrecognizedClientException: ['VAULT_ACCESS_DENIED', 'which credentials does this process use?'],
  InvalidClientTokenId: ['VAULT_ACCESS_DENIED', 'which credentials does this process use?'],
  InvalidSignatureException: ['VAULT_ACCESS_DENIED', 'which credentials does this process use?'],
  CredentialsProviderError: ['VAULT_ACCESS_DENIED', 'no credentials were found: sign in, or set AWS_PROFILE'],
  InvalidCiphertextException: ['DECRYPT_FAILED', 'is this the key that the backup was made with?'],
  IncorrectKeyException: ['DECRYPT_FAILED', 'is this the key that the backup was made with?'],
};

/** The calls to KMS that a vault needs, with patience and with failures in our words. */
export class KmsService {
  readonly #client: KMSClient;
  readonly #retrySeconds: number | undefined;

  constructor(keyArn: string, retrySeconds: number | undefined) {
    this.#client = new KMSClient({
      region: regionOfArn(keyArn),
      maxAttempts: 1,
      requestHandler: { connectionTimeout: 5_000, socketTimeout: 30_000 },
    });
    this.#retrySeconds = retrySeconds;
  }

  generateDataKey(input: GenerateDataKeyCommandInput) {
    return this.#call('make a data key', () => this.#client.send(new GenerateDataKeyCommand(input)));
  }

  encrypt(input: EncryptCommandInput) {
    return this.#call('encrypt a data key', () => this.#client.send(new EncryptCommand(input)));
  }

  decrypt(input: DecryptCommandInput) {
    return this.#call('decrypt a data key', () => this.#client.send(new DecryptCommand(input)));
  }

  /** Signs a SHA-256 digest: a manifest may be longer than the 4,096 bytes that KMS takes. */
  async sign(keyId: string, digest: Uint8Array): Promise<Uint8Array> {
    const { Signature: signature } = await this.#call('sign the manifest', () =>
      this.#client.send(
        new SignCommand({
          KeyId: keyId,
          Message: digest,
          MessageType: 'DIGEST',
          SigningAlgorithm: 'ECDSA_SHA_256',
        }),
      ),
    );
    return signature ?? new Uint8Array();
  }

  /** DER (SPKI). */
  async publicKey(keyId: string): Promise<Uint8Array> {
    const { PublicKey: publicKey } = await this.#call('read the public signing key', () =>
      this.#client.send(new GetPublicKeyCommand({ KeyId: keyId })),
    );
    return publicKey ?? new Uint8Array();
  }

  async #call<T>(action: string, request: () => Promise<T>): Promise<T> {
    try {
      return await withRetry(
        request,
        isTransient,
        this.#retrySeconds === undefined ? {} : { retrySeconds: this.#retrySeconds },
      );
    } catch (error) {
      throw toKeyError(error, action);
    }
  }
}

/** `arn:aws:kms:<region>:<account>:key/<id>`. @throws SETTING_INVALID */
export function regionOfArn(arn: string): string {
  const region = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):\d{12}:(?:key|alias)\/.+$/.exec(arn)?.[1];
  if (region === undefined) {
    throw new HoldfastError('SETTING_INVALID', `${JSON.stringify(arn)} is not the ARN of a KMS key`);
  }
  return region;
}

function isTransient(error: unknown): boolean {
  if (error instanceof KMSServiceException) {
    const status = error.$metadata.httpStatusCode ?? 0;
    const names = [
      'ThrottlingException',
      'LimitExceededException',
      'KeyUnavailableException',
      'TimeoutError',
    ];
    return names.includes(error.name) || (codeOfName[error.name] === undefined && status >= 500);
  }
  return error instanceof Error && codeOfName[error.name] === undefined && error.name !== 'AbortError';
}

function toKeyError(error: unknown, action: string): unknown {
  if (!(error instanceof Error)) return error;
  const said = `cannot ${action}: ${error.name}: ${error.message}`;
  const known = codeOfName[error.name];
  if (known !== undefined) return new HoldfastError(known[0], said, { cause: error, hint: known[1] });
  if (!isTransient(error)) return error;
  return new HoldfastError('VAULT_UNAVAILABLE', said, {
    cause: error,
    hint: 'does KMS answer in this Region?',
  });
}
