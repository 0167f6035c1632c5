import { constants, createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { RawRsaKeyringNode } from '@aws-crypto/client-node';
import { HoldfastError } from '../errors.ts';
import { decryptMessage } from './encryption.aws.ts';
import type { VaultKeys } from './keys.ts';
import { readPublicKey, verifyEcdsa } from './signature.ts';

/** Recorded in every message beside the fingerprint of the public key; part of the format. */
const keyNamespace = 'holdfast-break-glass';
const wrapping = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha512' as const };
const leastBits = 3072;

/** The keyring that wraps every data key a second time for the key that is kept offline. @throws SETTING_INVALID */
export function breakGlassEncryptKeyring(publicKeyPem: string): RawRsaKeyringNode {
  const key = readPublicKey(publicKeyPem, 'rsa', 'the break-glass key');
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < leastBits) {
    throw new HoldfastError(
      'SETTING_INVALID',
      `the break-glass key has ${bits} bits, at least ${leastBits} are needed`,
      { hint: 'openssl genrsa -aes256 4096; keep the private key offline, put the public key into the plan' },
    );
  }
  const rsaKey = { publicKey: key.export({ type: 'spki', format: 'pem' }) };
  return new RawRsaKeyringNode({ keyName: fingerprint(key), keyNamespace, rsaKey, ...wrapping });
}

export interface BreakGlassInput {
  readonly privateKey: string;
  readonly passphrase?: string;
  readonly signingPublicKey: string;
}

/** Reads what was written for KMS when KMS is gone. @throws SETTING_INVALID */
export function breakGlassKeys(input: BreakGlassInput): VaultKeys {
  const privateKey = readPrivateKey(input);
  const keyName = fingerprint(createPublicKey(privateKey));
  const rsaKey = { privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
  const keyring = new RawRsaKeyringNode({ keyName, keyNamespace, rsaKey, ...wrapping });
  const signingKey = readPublicKey(input.signingPublicKey, 'ec', 'the signing key');
  const refuse = (): never => {
    throw new HoldfastError('KEY_UNAVAILABLE', 'the break-glass key reads a vault, it cannot write one');
  };
  return {
    description: `break-glass key ${keyName}`,
    encrypt: refuse,
    sign: refuse,
    decrypt: (stored, context) => decryptMessage(keyring, stored, context),
    verify: async (manifest) => verifyEcdsa(manifest, signingKey),
  };
}

function readPrivateKey(input: BreakGlassInput): KeyObject {
  try {
    const key = createPrivateKey({ key: input.privateKey, passphrase: input.passphrase });
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch (error) {
    throw new HoldfastError('SETTING_INVALID', 'the break-glass key is not a PEM private key', {
      cause: error,
      hint: 'is the passphrase right?',
    });
  }
  throw new HoldfastError('SETTING_INVALID', 'the break-glass key is not an RSA key');
}

/** First 16 hex digits of the SHA-256 of the public key's DER, so that the right private key can be found. */
function fingerprint(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex').slice(0, 16);
}
