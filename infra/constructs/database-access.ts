import * as iam from 'aws-cdk-lib/aws-iam';
import type { ConnectionPlan } from '../../core/plan/plan.ts';
import type { Deployment } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import type { Grantee } from './grantee.ts';

export interface DatabaseGrant {
  readonly deployment: Deployment;
  /** Where the databases may be. */
  readonly regions: readonly string[];
}

/** To connect by IAM database authentication, as the users that the plan names; a password needs no grant. */
export function grantDatabases(
  grantee: Grantee,
  { deployment, regions }: DatabaseGrant,
  owners: readonly { readonly connection: ConnectionPlan }[],
): void {
  const users = owners.flatMap(({ connection: { iam: byToken, username } }) =>
    byToken && username !== undefined ? [username] : [],
  );
  // Any database: its resource id is another one in each Region and after each restore, so a fixed one would lock the task
  // out of the very database that a disaster left.
  const resources = [...new Set(users)].flatMap((user) =>
    regions.map((region) => `arn:aws:rds-db:${region}:${deployment.plan.account}:dbuser:*/${user}`),
  );
  if (resources.length === 0) return;
  grantee.addToPolicy(new iam.PolicyStatement({ actions: ['rds-db:connect'], resources }));
  for (const resource of resources) {
    acknowledge(
      grantee,
      `AwsSolutions-IAM5[Resource::${resource}]`,
      "The user is exact; a database's resource id changes with Region and restore, and only databases that made this user let it in.",
    );
  }
}
