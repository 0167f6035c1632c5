import { RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { roleArn } from '../../core/plan/names.ts';
import { type Deployment, namedRolesOf, type Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';

export interface RetentionRoleProps {
  readonly deployment: Deployment;
  readonly side: Side;
}

/**
 * The only role that may delete versions: those whose lock has ended, and with governance locks, where lifting one is left
 * open, those that somebody gives up earlier. No function needs it, so none can be given it: only the break-glass role, which a
 * person makes by hand and keeps unused, takes it on, and both are watched. The trust names the account with a condition,
 * because IAM refuses a policy that names a role which does not exist yet.
 * It outlives `cdk destroy` with the vault, because nobody else can ever empty that.
 */
export class RetentionRole extends Construct {
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: RetentionRoleProps) {
    super(scope, id);
    const { deployment, side } = props;
    const bucketArn = `arn:aws:s3:::${deployment.names.vaultBucket(side.region)}`;
    const isGovernance = deployment.plan.vault.lock === 'governance';
    this.role = new iam.Role(this, 'Role', {
      roleName: namedRolesOf(deployment).retention(side.region),
      description: `Deletes versions of the vault ${isGovernance ? '' : 'whose lock has ended, '}after a reviewed plan`,
      assumedBy: new iam.AccountPrincipal(deployment.plan.account).withConditions({
        ArnEquals: { 'aws:PrincipalArn': roleArn(deployment.plan, namedRolesOf(deployment).breakGlass) },
      }),
      inlinePolicies: {
        delete: new iam.PolicyDocument({ statements: statementsOf(bucketArn, isGovernance) }),
      },
    });
    this.role.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
    acknowledge(
      this.role,
      `AwsSolutions-IAM5[Resource::${bucketArn}/v1/*]`,
      'Retention works on recovery points of every source; the lock and the bucket policy bound what it can delete.',
    );
  }
}

function statementsOf(bucketArn: string, isGovernance: boolean): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({ actions: ['s3:ListBucket', 's3:ListBucketVersions'], resources: [bucketArn] }),
    new iam.PolicyStatement({
      actions: [
        's3:GetObject',
        's3:GetObjectVersion',
        's3:GetObjectRetention',
        's3:GetObjectLegalHold',
        's3:DeleteObjectVersion',
        ...(isGovernance ? ['s3:BypassGovernanceRetention'] : []),
      ],
      resources: [`${bucketArn}/v1/*`],
    }),
  ];
}
