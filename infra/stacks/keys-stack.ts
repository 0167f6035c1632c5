import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { KeptVaultKeys, type VaultKeys } from '../constructs/vault-keys.ts';
import { type Deployment, type Side, sideOf } from '../deployment.ts';
import { keptOnDestroy } from './kept-on-destroy.ts';

export interface KeysStackProps extends StackProps {
  readonly deployment: Deployment;
  readonly role: Side['role'];
}

/**
 * The keys of one Region and nothing else: nothing that fails later touches them.
 *
 * The primaries of both multi-Region keys are in the standby Region. A replica key needs its primary, and that Region's
 * vault comes first; it is also where they should be: should the primary Region be lost, keys can still be replicated to a
 * third Region and rotated, because what is left holds their primaries. For encryption and signing both are alike.
 */
export class KeysStack extends Stack {
  readonly keys: VaultKeys;

  constructor(scope: Construct, id: string, props: KeysStackProps) {
    const { deployment, role } = props;
    const what = role === 'standby' ? 'primaries of the keys' : 'replicas of the keys';
    super(scope, id, { description: `Holdfast: ${what}`, ...props });
    this.keys = new KeptVaultKeys(this, 'Keys', { deployment, side: sideOf(deployment.plan, role) });
    keptOnDestroy(this, 'both keys and their aliases');
  }
}
