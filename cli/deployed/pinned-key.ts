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

/** A public key that somebody decided to trust, and the file in which it stands. */
export interface PinnedKey {
  readonly file: string;
  readonly pem: string;
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

/** A signing key's public half, and which key of which account it belongs to. */
export interface SigningKey {
  readonly arn: string;
  readonly key: KeyObject;
}

/**
 * Makes the file; never replaces one, because only a person may decide that another key is trusted. Above the PEM stands
 * whose key it is: parsers skip text before the first `-----BEGIN` (RFC 7468, section 2).
 */
export async function writePinnedKey(file: string, { arn, key }: SigningKey): Promise<void> {
  const text = `Public half of the key that signs manifests, pinned by holdfast doctor\n${arnLabel}${arn}\n`;
  const pem = key.export({ type: 'spki', format: 'pem' });
  await fs.writeFile(file, text + pem, { flag: 'wx', mode: 0o644 });
}

const arnLabel = 'Key: ';

/** The ARN that a pinned file names; `undefined` for a file that holds the key alone. */
function pinnedArn(pem: string): string | undefined {
  const line = pem.split('\n').find((one) => one.startsWith(arnLabel));
  return line?.slice(arnLabel.length).trim();
}

/** What to do with a pin that does not fit, once it is clear why it does not. */
export function renewPin(file: string): string {
  return `only if the deployment was made anew (another account, a reset sandbox): delete ${file} and run holdfast doctor again`;
}

/**
 * Holds a pin against the key that the deployment signs with. The replicas of a multi-Region key share account and id.
 * @throws SIGNING_KEY_CHANGED when the pin is of another key, which a pin without an ARN cannot tell
 */
export function requireSameKey(pin: PinnedKey, currentArn: string): void {
  const pinned = pinnedArn(pin.pem);
  if (pinned === undefined || identityOf(pinned) === identityOf(currentArn)) return;
  throw new HoldfastError(
    'SIGNING_KEY_CHANGED',
    `${pin.file} pins the signing key ${pinned}, the deployment signs with ${currentArn}`,
    { hint: `who changed the key or its alias? CloudTrail tells; ${renewPin(pin.file)}` },
  );
}

/** `arn:aws:kms:us-east-1:111122223333:key/mrk-1` → account and key id. */
function identityOf(arn: string): string {
  return arn.split(':').slice(4).join(':');
}

/** The public half of a Region's signing key, as KMS has it. */
export async function signingKeyOf(
  { names }: Pick<Deployment, 'names'>,
  region: string,
): Promise<SigningKey> {
  const { GetPublicKeyCommand, KMSClient } = await import('@aws-sdk/client-kms');
  const client = new KMSClient({ region, ...clientSettings });
  const answer = await client.send(new GetPublicKeyCommand({ KeyId: names.signingKeyAlias }));
  const key = createPublicKey({ key: Buffer.from(answer.PublicKey ?? []), format: 'der', type: 'spki' });
  return { arn: answer.KeyId ?? '', key };
}
