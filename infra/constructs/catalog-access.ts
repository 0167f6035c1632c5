import * as iam from 'aws-cdk-lib/aws-iam';
import { controlKey, sourcePartition } from '../../core/catalog/catalog-items.ts';
import type { Deployment } from '../deployment.ts';
import type { Grantee } from './grantee.ts';

/** What is done with one partition of the catalogue; transactions are authorised by these too. */
export type CatalogAction = 'ConditionCheckItem' | 'DeleteItem' | 'GetItem' | 'PutItem' | 'Query';

export interface CatalogGrant {
  readonly deployment: Deployment;
  /** Whose replica of the table. */
  readonly region: string;
}

/** To work on the items of one source: jobs, claims, leases, recovery points. No other source's, no index, no scan. */
export function grantSourceItems(
  grantee: Grantee,
  grant: CatalogGrant & { readonly source: string },
  actions: readonly CatalogAction[],
): void {
  grantee.addToPolicy(onPartition(grant, { StringEquals: sourcePartition(grant.source) }, actions));
}

/** To work on the items of whichever source a job is about, and on nothing else of the table. */
export function grantAnySourceItems(
  grantee: Grantee,
  grant: CatalogGrant,
  actions: readonly CatalogAction[],
): void {
  grantee.addToPolicy(onPartition(grant, { StringLike: sourcePartition('*') }, actions));
}

/** To read which Region is active and at which epoch; more only for whoever decides that. */
export function grantControl(grantee: Grantee, grant: CatalogGrant, actions: readonly CatalogAction[]): void {
  grantee.addToPolicy(onPartition(grant, { StringEquals: controlKey.pk }, actions));
}

type PartitionCondition = { readonly StringEquals: string } | { readonly StringLike: string };

/**
 * `ForAllValues` is what DynamoDB asks for with leading keys, and it holds for a request that has none (a scan, should one
 * ever be granted): `Null` refuses those. Each part of a transaction is authorised as the single call it stands for.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
 */
function onPartition(
  { deployment, region }: CatalogGrant,
  partition: PartitionCondition,
  actions: readonly CatalogAction[],
): iam.PolicyStatement {
  const [[operator, value] = ['', '']] = Object.entries(partition);
  return new iam.PolicyStatement({
    actions: actions.map((action) => `dynamodb:${action}`),
    resources: [`arn:aws:dynamodb:${region}:${deployment.plan.account}:table/${deployment.names.table}`],
    conditions: {
      [`ForAllValues:${operator}`]: { 'dynamodb:LeadingKeys': [value] },
      Null: { 'dynamodb:LeadingKeys': 'false' },
    },
  });
}
