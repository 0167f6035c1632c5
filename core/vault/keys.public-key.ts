import { createHash } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import type { VaultKeys } from './keys.ts';
import { readPublicKey, verifyEcdsa } from './signature.ts';

/**
 * Nothing but the pinned public half of the signing key: enough to tell whether manifests are genuine, with no service
 * that could be asked, slow or lying. Whatever needs another key is refused. @throws SETTING_INVALID
 */
export function publicKeyKeys(signingPublicKey: string): VaultKeys {
  const key = readPublicKey(signingPublicKey, 'ec', 'the pinned signing key');
  const der = key.export({ type: 'spki', format: 'der' });
  const fingerprint = createHash('sha256').update(der).digest('hex').slice(0, 16);
  return {
    description: `the pinned signing key (SHA-256 ${fingerprint}…)`,
    encrypt: () => refuse('encrypt'),
    decrypt: () => refuse('decrypt'),
    sign: async () => refuse('sign'),
    verify: async (manifest) => verifyEcdsa(manifest, key),
  };
}

function refuse(action: string): never {
  throw new HoldfastError('KEY_UNAVAILABLE', `cannot ${action} with the public signing key alone`, {
    hint: 'this needs the keys of the vault in KMS: leave out what makes it work offline',
  });
}
