import { HoldfastError } from '../../core/errors.ts';
import { openVault } from '../../core/vault/open-vault.ts';
import type { Vault } from '../../core/vault/vault.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { type PinnedKey, requireSameKey } from './pinned-key.ts';

/** A person waits, and the other Region may answer at once: far below what a task takes. */
const retrySeconds = 8;

/** The vault of a Region with its KMS keys, found by their aliases. @throws SIGNING_KEY_CHANGED */
export async function openDeployedVault(
  { names, plan, region }: Pick<Deployment, 'names' | 'plan' | 'region'>,
  pin?: PinnedKey,
): Promise<Vault> {
  const [keyArn, signingKeyArn] = await Promise.all([
    keyArnOf(names.vaultKeyAlias, region),
    keyArnOf(names.signingKeyAlias, region),
  ]);
  if (pin !== undefined) requireSameKey(pin, signingKeyArn);
  const { breakGlassPublicKey } = plan.vault;
  return openVault({
    url: `s3://${names.vaultBucket(region)}`,
    region,
    retrySeconds,
    keys: {
      kind: 'kms',
      keyArn,
      signingKeyArn,
      ...(pin !== undefined && { signingPublicKey: pin.pem }),
      ...(breakGlassPublicKey !== undefined && { breakGlassPublicKey }),
    },
  });
}

/** The vault of a Region as far as the pinned public key can check it; KMS is not asked for anything. */
export async function openVaultOffline(
  { names, region }: Pick<Deployment, 'names' | 'region'>,
  signingPublicKey: string,
): Promise<Vault> {
  const url = `s3://${names.vaultBucket(region)}`;
  return openVault({ url, region, retrySeconds, keys: { kind: 'public-key', signingPublicKey } });
}

async function keyArnOf(alias: string, region: string): Promise<string> {
  const { DescribeKeyCommand, KMSClient } = await import('@aws-sdk/client-kms');
  const client = new KMSClient({ region, ...clientSettings });
  const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: alias }));
  if (KeyMetadata?.Arn === undefined)
    throw new HoldfastError('KEY_UNAVAILABLE', `${alias} names no key in ${region}`);
  return KeyMetadata.Arn;
}
