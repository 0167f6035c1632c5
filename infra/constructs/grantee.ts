import type * as iam from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

/** Who can be given permissions, and on which their findings are acknowledged: a role, or what stands for one. */
export interface Grantee extends IConstruct {
  addToPolicy(statement: iam.PolicyStatement): unknown;
}
