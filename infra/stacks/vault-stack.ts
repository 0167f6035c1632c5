import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Replication } from '../constructs/replication.ts';
import { RetentionRole } from '../constructs/retention-role.ts';
import { VaultBucket } from '../constructs/vault-bucket.ts';
import type { VaultKeys } from '../constructs/vault-keys.ts';
import { type Deployment, type Side, sideOf } from '../deployment.ts';
import { serverSideKey } from '../server-side-encryption.ts';
import { keptOnDestroy } from './kept-on-destroy.ts';

export interface VaultStackProps extends StackProps {
  readonly deployment: Deployment;
  readonly role: Side['role'];
  /** Keys of the stack's Region. */
  readonly keys: VaultKeys;
}

/**
 * The vault of one Region and the roles that outlive it. The standby's comes first, because the primary's copies to it and
 * S3 refuses a replication whose destination does not exist; the way back is set by the stack `Replication`.
 *
 * Everything here is kept by `cdk destroy` and has a name in the template, so that a new deployment can take it over:
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
 */
export class VaultStack extends Stack {
  constructor(scope: Construct, id: string, props: VaultStackProps) {
    const { deployment, role, keys } = props;
    super(scope, id, { description: `Holdfast: vault of the ${role} Region`, ...props });
    const side = sideOf(deployment.plan, role);
    const key = serverSideKey(deployment, keys);
    new RetentionRole(this, 'Retention', { deployment, side });
    new VaultBucket(this, 'Vault', {
      deployment,
      side,
      serverSideKey: key,
      ...(role === 'primary' && {
        replication: new Replication(this, 'Replication', { deployment, side, key, vaultKey: keys.vault }),
      }),
    });
    keptOnDestroy(this, 'vault and access-log buckets, the roles of retention and replication');
  }
}
