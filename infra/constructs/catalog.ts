import { RemovalPolicy } from 'aws-cdk-lib';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { catalogTable } from '../../core/catalog/catalog-table.ts';
import type { Deployment, Side } from '../deployment.ts';

export interface CatalogProps {
  readonly deployment: Deployment;
  /** The Region of the stack; the table has its replica in the other one. */
  readonly side: Side;
}

const text = (name: string): dynamodb.Attribute => ({ name, type: dynamodb.AttributeType.STRING });

/**
 * The catalogue: one table in both Regions. Losing it loses no recovery point, yet nothing here ever deletes it. Its
 * protection from deletion is set by a later stack (`TableProtection`): CloudFormation could not roll back a first
 * deployment that fails while the replica is made, for it cannot delete what is protected.
 */
export class Catalog extends Construct {
  readonly table: dynamodb.TableV2;

  constructor(scope: Construct, id: string, props: CatalogProps) {
    super(scope, id);
    const { indexes } = catalogTable;
    this.table = new dynamodb.TableV2(this, 'Table', {
      tableName: props.deployment.names.table,
      partitionKey: text(catalogTable.partitionKey),
      sortKey: text(catalogTable.sortKey),
      globalSecondaryIndexes: Object.values(indexes).map((index) => ({
        indexName: index.name,
        partitionKey: text(index.partitionKey),
        sortKey: text(index.sortKey),
      })),
      timeToLiveAttribute: catalogTable.timeToLiveAttribute,
      billing: dynamodb.Billing.onDemand(),
      // Not the vault's key: a catalogue that dies with it would hide what break-glass can still restore.
      encryption: dynamodb.TableEncryptionV2.awsManagedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true, recoveryPeriodInDays: 35 },
      replicas: [{ region: props.side.peerRegion }],
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
  }
}
