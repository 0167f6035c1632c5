import type { Stack } from 'aws-cdk-lib';
import type { ReporterSettings, TaskStaticEnvironment } from '../../core/jobs/settings.ts';
import type { Deployment, Side } from '../deployment.ts';
import { localKeyArn } from './vault-access.ts';
import type { VaultKeys } from './vault-keys.ts';

/** What every function and task gets to know of the deployment. Typed by the schemas that it is parsed with at run time. */
export function planEnvironment(deployment: Deployment, side: Side): ReporterSettings {
  return {
    HOLDFAST_PLAN_NAME: deployment.plan.name,
    HOLDFAST_REGION: side.region,
    HOLDFAST_PEER_REGION: side.peerRegion,
    HOLDFAST_TABLE: deployment.names.table,
  };
}

export type VaultEnvironment = Pick<
  TaskStaticEnvironment,
  | 'HOLDFAST_VAULT_URL'
  | 'HOLDFAST_PEER_VAULT_URL'
  | 'HOLDFAST_VAULT_KEY_ARN'
  | 'HOLDFAST_SIGNING_KEY_ARN'
  | 'HOLDFAST_SIGNING_PUBLIC_KEY'
  | 'HOLDFAST_BREAK_GLASS_PUBLIC_KEY'
>;

export interface VaultEnvironmentProps {
  readonly side: Side;
  readonly keys: VaultKeys;
  readonly stack: Stack;
}

/** What those get to know who read or write the vault. */
export function vaultEnvironment(deployment: Deployment, props: VaultEnvironmentProps): VaultEnvironment {
  const { side, keys, stack } = props;
  return {
    HOLDFAST_VAULT_URL: `s3://${deployment.names.vaultBucket(side.region)}`,
    HOLDFAST_PEER_VAULT_URL: `s3://${deployment.names.vaultBucket(side.peerRegion)}`,
    HOLDFAST_VAULT_KEY_ARN: localKeyArn(stack, keys, 'vault'),
    HOLDFAST_SIGNING_KEY_ARN: localKeyArn(stack, keys, 'signing'),
    HOLDFAST_SIGNING_PUBLIC_KEY: deployment.signingPublicKey,
    HOLDFAST_BREAK_GLASS_PUBLIC_KEY: deployment.plan.vault.breakGlassPublicKey,
  };
}
