import { createPublicKey, type KeyObject } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { clientSettings, type Deployment } from './deployment.ts';

/**
 * Where the public half of the signing key is pinned: beside the plan file, one for each deployment. It is public, and
 * belongs into the repository with the plan. It is never taken from the vault, where an attacker could put another.
 */
export function pinnedKeyFile({ names, planFile }: Pick<Deployment, 'names' | 'planFile'>): string {
  return path.join(path.dirname(planFile), names.signingKeyFile);
}

/** The PEM text, `undefined` when there is no such file. */
export async function readPinnedKey(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HoldfastError('USAGE', `the public signing key ${file} cannot be read`, { cause: error });
  }
}

/** Makes the file; never replaces one, because only a person may decide that another key is trusted. */
export async function writePinnedKey(file: string, key: KeyObject): Promise<void> {
  await fs.writeFile(file, key.export({ type: 'spki', format: 'pem' }), { flag: 'wx', mode: 0o644 });
}

/** The public half of a Region's signing key, as KMS has it. */
export async function signingKeyOf({ names }: Pick<Deployment, 'names'>, region: string): Promise<KeyObject> {
  const { GetPublicKeyCommand, KMSClient } = await import('@aws-sdk/client-kms');
  const client = new KMSClient({ region, ...clientSettings });
  const { PublicKey: der } = await client.send(new GetPublicKeyCommand({ KeyId: names.signingKeyAlias }));
  return createPublicKey({ key: Buffer.from(der ?? []), format: 'der', type: 'spki' });
}
