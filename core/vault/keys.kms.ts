import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import {
  buildAwsKmsMrkAwareStrictMultiKeyringNode,
  type KeyringNode,
  MultiKeyringNode,
} from '@aws-crypto/client-node';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { breakGlassEncryptKeyring } from './break-glass.aws.ts';
import { decryptMessage, encryptMessage } from './encryption.aws.ts';
import type { ItemContext, VaultKeys } from './keys.ts';
import { KmsService, regionOfArn } from './kms-service.kms.ts';
import { readPublicKey, signedBytes, verifyEcdsa } from './signature.ts';

export interface KmsKeysInput {
  readonly keyArn: string;
  readonly signingKeyArn?: string;
  readonly signingPublicKey?: string;
  readonly breakGlassPublicKey?: string;
  readonly retrySeconds?: number;
}

/**
 * Keys of a vault on AWS. The key's replica in another Region opens what this one closed (MRK-aware), and so does the
 * break-glass key when there is one. A signature is checked against the pinned public key, never one from the vault.
 * @throws SETTING_INVALID
 */
export function kmsKeys(input: KmsKeysInput): VaultKeys {
  const signer = new ManifestSigner(input);
  const service = new KmsService(input.keyArn, input.retrySeconds);
  const breakGlass =
    input.breakGlassPublicKey === undefined ? undefined : breakGlassEncryptKeyring(input.breakGlassPublicKey);
  return {
    description: `KMS key ${input.keyArn}`,
    encrypt: (plaintext, context) => {
      const { keyring, watch } = watchedKeyring(input.keyArn, service);
      const rings =
        breakGlass === undefined
          ? keyring
          : new MultiKeyringNode({ generator: keyring, children: [breakGlass] });
      return watch(encryptMessage(rings, plaintext, context));
    },
    decrypt: (stored, context: ItemContext) => {
      const { keyring, watch } = watchedKeyring(input.keyArn, service);
      return watch(decryptMessage(keyring, stored, context));
    },
    sign: (manifest) => signer.sign(signedBytes(manifest)),
    verify: async (manifest, options) =>
      verifyEcdsa(manifest, await signer.publicKey(options?.offline ?? false)),
  };
}

/**
 * The library puts what KMS said into the text of an error of its own. A keyring per message, with an ear at its KMS calls,
 * lets a disabled key be told from a wrong one.
 */
function watchedKeyring(
  keyArn: string,
  service: KmsService,
): {
  readonly keyring: KeyringNode;
  readonly watch: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
} {
  let failure: HoldfastError | undefined;
  const heard = <T>(call: Promise<T>) =>
    call.catch((error: unknown) => {
      if (isHoldfastError(error)) failure = error;
      throw error;
    });
  const client = {
    config: { region: regionOfArn(keyArn) },
    generateDataKey: (request: Parameters<KmsService['generateDataKey']>[0]) =>
      heard(service.generateDataKey(request)),
    encrypt: (request: Parameters<KmsService['encrypt']>[0]) => heard(service.encrypt(request)),
    decrypt: (request: Parameters<KmsService['decrypt']>[0]) => heard(service.decrypt(request)),
  };
  const keyring = buildAwsKmsMrkAwareStrictMultiKeyringNode({
    generatorKeyId: keyArn,
    // The library's interface wants both SDK generations; it calls these three.
    clientProvider: () => client as never,
  });
  async function* watch(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* bytes;
    } catch (error) {
      throw failure ?? error;
    }
  }
  return { keyring, watch };
}

class ManifestSigner {
  readonly #signingKeyArn: string | undefined;
  readonly #service: KmsService | undefined;
  #publicKey: Promise<KeyObject> | undefined;
  readonly #isPinned: boolean;

  constructor(input: KmsKeysInput) {
    this.#signingKeyArn = input.signingKeyArn;
    if (input.signingKeyArn !== undefined) {
      this.#service = new KmsService(input.signingKeyArn, input.retrySeconds);
    }
    this.#isPinned = input.signingPublicKey !== undefined;
    if (input.signingPublicKey !== undefined) {
      this.#publicKey = Promise.resolve(readPublicKey(input.signingPublicKey, 'ec', 'the signing key'));
    }
  }

  async sign(bytes: Uint8Array) {
    if (this.#service === undefined || this.#signingKeyArn === undefined) {
      throw new HoldfastError('SETTING_INVALID', 'a vault is written with a signing key, and none was given');
    }
    const digest = createHash('sha256').update(bytes).digest();
    const signature = await this.#service.sign(this.#signingKeyArn, digest);
    return {
      algorithm: 'ECDSA_SHA_256' as const,
      keyId: this.#signingKeyArn,
      value: Buffer.from(signature).toString('base64'),
    };
  }

  async publicKey(offline: boolean): Promise<KeyObject> {
    if (offline && !this.#isPinned) {
      throw new HoldfastError('KEY_UNAVAILABLE', 'to verify offline the public signing key must be pinned', {
        hint: 'aws kms get-public-key, and keep it beside the plan',
      });
    }
    this.#publicKey ??= this.#fetch().catch((error: unknown) => {
      // The next caller asks again.
      this.#publicKey = undefined;
      throw error;
    });
    return this.#publicKey;
  }

  async #fetch(): Promise<KeyObject> {
    if (this.#service === undefined || this.#signingKeyArn === undefined) {
      throw new HoldfastError('SETTING_INVALID', 'neither a signing key nor its public key was given');
    }
    const der = await this.#service.publicKey(this.#signingKeyArn);
    return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  }
}
