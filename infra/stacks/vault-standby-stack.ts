import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { PrimaryVaultKeys, type VaultKeys } from '../constructs/vault-keys.ts';
import { RetentionRole } from '../constructs/retention-role.ts';
import { VaultBucket } from '../constructs/vault-bucket.ts';
import { type Deployment, sideOf } from '../deployment.ts';
import { serverSideKey } from '../server-side-encryption.ts';

export interface VaultStackProps extends StackProps {
  readonly deployment: Deployment;
}

/**
 * First on an empty account: the standby's vault, which the primary's needs as destination of its copies.
 *
 * The primaries of both multi-Region keys are here as well. A replica key needs its primary, and this stack comes first;
 * it is also where they should be: should the primary Region be lost, keys can still be replicated to a third Region and
 * rotated, because what is left holds their primaries. For encryption and signing both are alike.
 */
export class VaultStandbyStack extends Stack {
  readonly keys: VaultKeys;

  constructor(scope: Construct, id: string, props: VaultStackProps) {
    super(scope, id, {
      description: 'Holdfast: vault of the standby Region, primaries of the keys',
      ...props,
    });
    const { deployment } = props;
    const side = sideOf(deployment.plan, 'standby');
    this.keys = new PrimaryVaultKeys(this, 'Keys', { deployment, side });
    new RetentionRole(this, 'Retention', { deployment, side });
    new VaultBucket(this, 'Vault', {
      deployment,
      side,
      serverSideKey: serverSideKey(deployment, this.keys),
    });
    keptOnDestroy(this, 'vault and access-log buckets, both keys and their aliases');
  }
}

/** Stands among the stack's outputs, where whoever is about to destroy it looks. */
export function keptOnDestroy(stack: Stack, what: string): void {
  new CfnOutput(stack, 'KeptOnDestroy', {
    value: `cdk destroy keeps ${what}; see docs/runbook.md, "After cdk destroy"`,
  });
}
