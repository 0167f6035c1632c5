import type * as kms from 'aws-cdk-lib/aws-kms';
import type { Deployment } from './deployment.ts';
import type { VaultKeys } from './constructs/vault-keys.ts';

/**
 * Objects are encrypted twice: by Holdfast before they leave (vault key, and the break-glass key where the plan has one),
 * and by S3 when they are stored. Were the second layer under the vault key too, its deletion would make every object
 * unreadable whatever break-glass can unwrap. So with a break-glass key the second layer is under `aws/s3`, which no one can
 * disable or delete; without one the vault key is needed anyway, and then it guards both.
 */
export function serverSideKey(deployment: Deployment, keys: VaultKeys): kms.IKey | undefined {
  return usesManagedServerSideKey(deployment) ? undefined : keys.vault;
}

export function usesManagedServerSideKey(deployment: Deployment): boolean {
  return deployment.plan.vault.breakGlassPublicKey !== undefined;
}

export const managedServerSideKeyAlias = 'alias/aws/s3';
