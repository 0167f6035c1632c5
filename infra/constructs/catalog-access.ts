import * as iam from 'aws-cdk-lib/aws-iam';
import { catalogTable } from '../../core/catalog/catalog-table.ts';
import type { Deployment } from '../deployment.ts';
import type { Grantee } from './grantee.ts';

/** To read and write the catalogue's replica in a Region, through keyed requests only: no scan, no table management. */
export function grantCatalog(deployment: Deployment, region: string, grantee: Grantee): void {
  const table = `arn:aws:dynamodb:${region}:${deployment.plan.account}:table/${deployment.names.table}`;
  grantee.addToPolicy(
    new iam.PolicyStatement({
      actions: [
        'dynamodb:ConditionCheckItem',
        'dynamodb:DeleteItem',
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:Query',
        'dynamodb:UpdateItem',
      ],
      resources: [table],
    }),
  );
  grantee.addToPolicy(
    new iam.PolicyStatement({
      actions: ['dynamodb:Query'],
      resources: Object.values(catalogTable.indexes).map((index) => `${table}/index/${index.name}`),
    }),
  );
}
