import { RawAesKeyringNode, RawAesWrappingSuiteIdentifier } from '@aws-crypto/client-node';
import { decryptMessage, encryptMessage } from './encryption.aws.ts';
import type { DerivedKeys } from './key-file.ts';
import type { VaultKeys } from './keys.ts';
import { signWithHmac, verifyHmac } from './signature.ts';

/** Recorded in every message beside the key's id; part of the format. */
const keyNamespace = 'holdfast-key-file';

/** Keys of a vault without KMS: everything comes from one file, nothing calls a service. */
export function keyFileKeys(keys: DerivedKeys): VaultKeys {
  const keyring = new RawAesKeyringNode({
    keyName: keys.id,
    keyNamespace,
    // The library demands memory of its own, not a view of a shared pool.
    unencryptedMasterKey: Uint8Array.from(keys.wrapping),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  });
  return {
    id: keys.id,
    description: `key file ${keys.id}`,
    encrypt: (plaintext, context) => encryptMessage(keyring, plaintext, context),
    decrypt: (stored, context) => decryptMessage(keyring, stored, context),
    sign: async (manifest) => signWithHmac(manifest, keys.manifest, keys.id),
    verify: async (manifest) => verifyHmac(manifest, keys.manifest),
  };
}
