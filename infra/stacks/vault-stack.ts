import { Stack } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { Catalog } from '../constructs/catalog.ts';
import { KeyLookup } from '../constructs/key-lookup.ts';
import { Replication } from '../constructs/replication.ts';
import { RetentionRole } from '../constructs/retention-role.ts';
import { VaultBucket } from '../constructs/vault-bucket.ts';
import { ReplicaVaultKeys, type VaultKeys } from '../constructs/vault-keys.ts';
import { sideOf } from '../deployment.ts';
import {
  managedServerSideKeyAlias,
  serverSideKey,
  usesManagedServerSideKey,
} from '../server-side-encryption.ts';
import { keptOnDestroy, type VaultStackProps } from './vault-standby-stack.ts';

/** Second: the vault of the primary Region, which copies to the standby's, replicas of the keys, and the catalogue of both. */
export class VaultStack extends Stack {
  readonly keys: VaultKeys;

  constructor(scope: Construct, id: string, props: VaultStackProps) {
    super(scope, id, { description: 'Holdfast: vault of the primary Region, catalogue', ...props });
    const { deployment } = props;
    const { names } = deployment;
    const side = sideOf(deployment.plan, 'primary');
    const standbyKeys = new KeyLookup(this, 'StandbyKeys', { deployment, region: side.peerRegion });
    const vaultPrimaryArn = standbyKeys.arnOf(names.vaultKeyAlias);
    this.keys = new ReplicaVaultKeys(this, 'Keys', {
      deployment,
      side,
      vaultPrimaryArn,
      signingPrimaryArn: standbyKeys.arnOf(names.signingKeyAlias),
    });
    const managed = usesManagedServerSideKey(deployment);
    const key = serverSideKey(deployment, this.keys);
    const destinationKeyArn = managed ? standbyKeys.arnOf(managedServerSideKeyAlias) : vaultPrimaryArn;
    const replication = new Replication(this, 'Replication', {
      deployment,
      side,
      sourceKey: this.keys.vault,
      destinationKey: kms.Key.fromKeyArn(this, 'DestinationKey', destinationKeyArn),
      destinationKeyIsManaged: managed,
    });
    new RetentionRole(this, 'Retention', { deployment, side });
    new VaultBucket(this, 'Vault', { deployment, side, serverSideKey: key, replication });
    new Catalog(this, 'Catalog', { deployment, side });
    keptOnDestroy(this, 'vault and access-log buckets, replica keys and their aliases, the catalogue table');
  }
}
