import { CustomResource, Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { HoldfastFunction } from '../constructs/holdfast-function.ts';
import { KeyLookup } from '../constructs/key-lookup.ts';
import { Replication } from '../constructs/replication.ts';
import type { VaultKeys } from '../constructs/vault-keys.ts';
import { namedRoles, sideOf } from '../deployment.ts';
import { managedServerSideKeyAlias, usesManagedServerSideKey } from '../server-side-encryption.ts';
import type { VaultStackProps } from './vault-standby-stack.ts';

export interface ReplicationStackProps extends VaultStackProps {
  /** Keys of the standby Region, where this stack is. */
  readonly keys: VaultKeys;
}

/**
 * Third: from the standby's vault back to the primary's, for backups made after a failover. S3 refuses a replication whose
 * destination does not exist, so the standby's bucket could not have it from its own stack.
 */
export class ReplicationStack extends Stack {
  constructor(scope: Construct, id: string, props: ReplicationStackProps) {
    super(scope, id, {
      description: 'Holdfast: replication from the standby Region to the primary',
      ...props,
    });
    const { deployment, keys } = props;
    const { plan, names } = deployment;
    const side = sideOf(plan, 'standby');
    const managed = usesManagedServerSideKey(deployment);
    const destinationKeyArn = managed
      ? new KeyLookup(this, 'PrimaryKeys', { deployment, region: side.peerRegion }).arnOf(
          managedServerSideKeyAlias,
        )
      : // A multi-Region key has the same id everywhere.
        `arn:aws:kms:${side.peerRegion}:${plan.account}:key/${keys.vault.keyId}`;
    const replication = new Replication(this, 'Replication', {
      deployment,
      side,
      sourceKey: keys.vault,
      destinationKey: kms.Key.fromKeyArn(this, 'DestinationKey', destinationKeyArn),
      destinationKeyIsManaged: managed,
    });
    const setter = this.#setter(props, replication);
    const rule = new CustomResource(this, 'Rule', {
      serviceToken: setter.function.functionArn,
      resourceType: 'Custom::HoldfastReplication',
      properties: {
        Bucket: names.vaultBucket(side.region),
        RoleArn: replication.role.roleArn,
        DestinationArn: `arn:aws:s3:::${names.vaultBucket(side.peerRegion)}`,
        ReplicaKeyArn: destinationKeyArn,
        TimeControl: String(plan.vault.replicationTimeControl),
      },
    });
    rule.node.addDependency(setter.role, replication.role);
  }

  #setter({ deployment }: ReplicationStackProps, replication: Replication): HoldfastFunction {
    const side = sideOf(deployment.plan, 'standby');
    const setter = new HoldfastFunction(this, 'Setter', {
      deployment,
      bundle: 'set-replication',
      functionName: `${deployment.names.prefix}-set-replication`,
      roleName: namedRoles(deployment).replicationSetter,
      description: `Sets the replication from ${side.region} to ${side.peerRegion} during a deployment`,
      // Patience for permissions that are new is twice 36 s.
      timeout: Duration.minutes(3),
    });
    setter.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['s3:GetReplicationConfiguration', 's3:PutReplicationConfiguration'],
        resources: [`arn:aws:s3:::${deployment.names.vaultBucket(side.region)}`],
      }),
    );
    setter.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [replication.role.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 's3.amazonaws.com' } },
      }),
    );
    return setter;
  }
}
