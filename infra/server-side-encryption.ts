import type * as kms from 'aws-cdk-lib/aws-kms';
import type { VaultKeys } from './constructs/vault-keys.ts';
import type { Deployment } from './deployment.ts';

/**
 * Objects are encrypted twice: by Holdfast before they leave (vault key, and the break-glass key where the plan has one),
 * and by S3 when they are stored. Were the second layer under the vault key too, its deletion would make every object
 * unreadable whatever break-glass can unwrap. So with a break-glass key the second layer is SSE-S3, whose keys no one can
 * disable or delete; without one the vault key is needed anyway, and then it guards both. Not `aws/s3`: as the key of a
 * replica the S3 reference knows customer managed keys only.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_EncryptionConfiguration.html
 */
export function serverSideKey(deployment: Deployment, keys: VaultKeys): kms.IKey | undefined {
  return usesManagedServerSideKey(deployment) ? undefined : keys.vault;
}

/** Whether S3 encrypts with keys of its own, that need no grant. */
export function usesManagedServerSideKey(deployment: Deployment): boolean {
  return deployment.plan.vault.breakGlassPublicKey !== undefined;
}
