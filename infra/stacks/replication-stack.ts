import { CustomResource, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { HoldfastFunction } from '../constructs/holdfast-function.ts';
import { Replication } from '../constructs/replication.ts';
import { TableProtection } from '../constructs/table-protection.ts';
import type { VaultKeys } from '../constructs/vault-keys.ts';
import { type Deployment, namedRolesOf, reapplied, sideOf } from '../deployment.ts';
import { serverSideKey } from '../server-side-encryption.ts';

export interface ReplicationStackProps extends StackProps {
  readonly deployment: Deployment;
  /** Keys of the standby Region, where this stack is. */
  readonly keys: VaultKeys;
}

/**
 * What can be set only once both Regions have all that lasts: the copies from the standby's vault back to the primary's, for
 * backups made after a failover, and the protection of the catalogue. S3 refuses a replication whose destination does not
 * exist, so the standby's bucket could not have it from its own stack. Both are set anew in each deployment, because
 * CloudFormation looks for no drift in them.
 */
export class ReplicationStack extends Stack {
  constructor(scope: Construct, id: string, props: ReplicationStackProps) {
    super(scope, id, {
      description:
        'Holdfast: replication from the standby Region to the primary, protection of the catalogue',
      ...props,
    });
    const { deployment, keys } = props;
    const { plan, names } = deployment;
    const side = sideOf(plan, 'standby');
    const key = serverSideKey(deployment, keys);
    const replication = new Replication(this, 'Replication', {
      deployment,
      side,
      key,
      vaultKey: keys.vault,
    });
    const setter = this.#setter(props, replication);
    const rule = new CustomResource(this, 'Rule', {
      serviceToken: setter.function.functionArn,
      resourceType: 'Custom::HoldfastReplication',
      serviceTimeout: Duration.minutes(4),
      properties: {
        Bucket: names.vaultBucket(side.region),
        RoleArn: replication.role.roleArn,
        DestinationArn: `arn:aws:s3:::${names.vaultBucket(side.peerRegion)}`,
        ...(replication.destinationKeyArn !== undefined && { ReplicaKeyArn: replication.destinationKeyArn }),
        TimeControl: String(plan.vault.replicationTimeControl),
        ...reapplied(deployment),
      },
    });
    rule.node.addDependency(setter.role, replication.role);
    new TableProtection(this, 'Catalog', { deployment });
  }

  #setter({ deployment }: ReplicationStackProps, replication: Replication): HoldfastFunction {
    const side = sideOf(deployment.plan, 'standby');
    const setter = new HoldfastFunction(this, 'Setter', {
      deployment,
      bundle: 'set-replication',
      functionName: `${deployment.names.prefix}-set-replication`,
      roleName: namedRolesOf(deployment).replicationSetter,
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
