import path from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { NetworkPlan } from '../../core/plan/plan.ts';
import type { Deployment } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';

export interface HoldfastFunctionProps {
  readonly deployment: Deployment;
  /** Folder of the bundle below `deployment.functionCode`. */
  readonly bundle: string;
  readonly functionName: string;
  readonly description: string;
  /** Checked by the function's own schema when it starts. @default - none */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** @default 1 minute */
  readonly timeout?: Duration;
  /** 1,769 MB are one whole processor. @default 512 */
  readonly memorySizeMb?: number;
  /** @default - named by CloudFormation */
  readonly roleName?: string;
  /** Name of its log group, below the plan's. @default - the bundle's */
  readonly logName?: string;
  /**
   * For what a schedule starts: a run that has not begun by then is not begun, and one that failed is not tried again, for
   * the next is the better second try. Lambda queues what Scheduler and EventBridge start, and would try twice more within
   * six hours: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html. At least a minute.
   * @default - Lambda's own, for what a state machine or CloudFormation starts
   */
  readonly staleAfter?: Duration;
  /** Where it runs. @default - outside any VPC, with a way to the Internet */
  readonly network?: NetworkPlan | undefined;
}

/** What Lambda does for a function in a VPC with the function's own role. */
const networkInterfaceActions = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

/** A function of ours: newest Node, ARM, bundled beforehand, a role and a log group of its own. */
export class HoldfastFunction extends Construct {
  readonly function: lambda.Function;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: HoldfastFunctionProps) {
    super(scope, id);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/holdfast/${props.deployment.plan.name}/lambda/${props.logName ?? props.bundle}`,
      retention: logs.RetentionDays.ONE_YEAR,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // Not the managed policy for basic execution: that one may write to every log group of the account.
    this.role = new iam.Role(this, 'Role', {
      ...(props.roleName !== undefined && { roleName: props.roleName }),
      description: `Runs ${props.functionName}`,
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
    });
    this.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    this.function = new lambda.Function(this, 'Function', {
      functionName: props.functionName,
      description: props.description,
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      handler: 'index.handler',
      code: lambda.Code.fromAsset(path.join(props.deployment.functionCode, props.bundle)),
      role: this.role.withoutPolicyUpdates(),
      logGroup,
      timeout: props.timeout ?? Duration.minutes(1),
      memorySize: props.memorySizeMb ?? 512,
      environment: present(props.environment ?? {}),
      ...(props.staleAfter !== undefined && { maxEventAge: props.staleAfter, retryAttempts: 0 }),
    });
    if (props.network !== undefined) this.#join(props.network, props.functionName);
    // The first invocation must find its permissions in place.
    this.function.node.addDependency(this.role);
  }

  /** As https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html says, which also has the deny: code needs none of it. */
  #join({ subnetIds, securityGroupIds }: NetworkPlan, functionName: string): void {
    const resource = this.function.node.defaultChild as lambda.CfnFunction;
    resource.vpcConfig = { subnetIds: [...subnetIds], securityGroupIds: [...securityGroupIds] };
    this.role.addToPolicy(new iam.PolicyStatement({ actions: networkInterfaceActions, resources: ['*'] }));
    const { region, account, partition } = Stack.of(this);
    const own = `arn:${partition}:lambda:${region}:${account}:function:${functionName}`;
    this.role.addToPolicy(
      new iam.PolicyStatement({
        effect: iam.Effect.DENY,
        actions: networkInterfaceActions,
        resources: ['*'],
        conditions: { ArnEquals: { 'lambda:SourceFunctionArn': own } },
      }),
    );
    acknowledge(
      this.role,
      'AwsSolutions-IAM5[Resource::*]',
      'Lambda itself makes the network interfaces with the role of the function and names none; the code may not.',
    );
  }
}

function present(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(environment).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return Object.fromEntries(entries);
}
