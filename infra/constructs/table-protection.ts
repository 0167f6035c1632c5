import { CustomResource, Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { type Deployment, reapplied } from '../deployment.ts';
import { HoldfastFunction } from './holdfast-function.ts';

export interface TableProtectionProps {
  readonly deployment: Deployment;
}

/** Protects the catalogue from deletion in both Regions, in each deployment anew. */
export class TableProtection extends Construct {
  constructor(scope: Construct, id: string, props: TableProtectionProps) {
    super(scope, id);
    const { plan, names } = props.deployment;
    const regions = [plan.regions.primary, plan.regions.standby];
    const protector = new HoldfastFunction(this, 'Protector', {
      deployment: props.deployment,
      bundle: 'protect-table',
      functionName: `${names.prefix}-protect-table`,
      description: 'Protects the catalogue from deletion in both Regions during a deployment',
      // Patience for permissions that are new is four times 36 s.
      timeout: Duration.minutes(3),
    });
    protector.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['dynamodb:DescribeTable', 'dynamodb:UpdateTable'],
        resources: regions.map((region) => `arn:aws:dynamodb:${region}:${plan.account}:table/${names.table}`),
      }),
    );
    const protection = new CustomResource(this, 'Protection', {
      serviceToken: protector.function.functionArn,
      resourceType: 'Custom::HoldfastTableProtection',
      serviceTimeout: Duration.minutes(4),
      properties: { TableName: names.table, Regions: regions, ...reapplied(props.deployment) },
    });
    protection.node.addDependency(protector.role);
  }
}
