import { CustomResource, Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Deployment } from '../deployment.ts';
import { acknowledgeAliasScope } from './acknowledgements.ts';
import { HoldfastFunction } from './holdfast-function.ts';

export interface KeyLookupProps {
  readonly deployment: Deployment;
  /** Region in which keys are looked up. */
  readonly region: string;
}

/**
 * Finds keys of another Region by alias while the stack is deployed. CloudFormation passes no values between Regions, and
 * a multi-Region key's id is only known once its primary exists. Read-only.
 */
export class KeyLookup extends Construct {
  readonly #props: KeyLookupProps;
  readonly #finder: HoldfastFunction;
  readonly #aliases = new Set<string>();

  constructor(scope: Construct, id: string, props: KeyLookupProps) {
    super(scope, id);
    this.#props = props;
    const { deployment, region } = props;
    this.#finder = new HoldfastFunction(this, 'Finder', {
      deployment,
      bundle: 'find-key',
      functionName: `${deployment.names.prefix}-find-key`,
      description: `Finds keys in ${region} by alias during a deployment`,
      // Patience for permissions that are new is 36 s.
      timeout: Duration.minutes(2),
    });
    this.#finder.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['kms:DescribeKey'],
        resources: [`arn:aws:kms:${region}:${deployment.plan.account}:key/*`],
      }),
    );
    acknowledgeAliasScope(this.#finder.role, region, deployment.plan.account);
  }

  /** ARN of the key behind an alias. `alias/aws/s3` comes into being by being asked for. */
  arnOf(aliasName: string): string {
    if (this.#aliases.has(aliasName))
      throw new Error(`key ${aliasName} is looked up twice in ${this.node.path}`);
    this.#aliases.add(aliasName);
    const found = new CustomResource(this, idOf(aliasName), {
      serviceToken: this.#finder.function.functionArn,
      resourceType: 'Custom::HoldfastKey',
      properties: { Alias: aliasName, KeyRegion: this.#props.region },
    });
    found.node.addDependency(this.#finder.role);
    return found.getAttString('Arn');
  }
}

function idOf(aliasName: string): string {
  return aliasName.endsWith('-vault') ? 'Vault' : aliasName.endsWith('-signing') ? 'Signing' : 'ServerSide';
}
