import { Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type {
  CheckCopyEnvironment,
  ClaimJobEnvironment,
  DeadManEnvironment,
  FailJobEnvironment,
  FinishJobEnvironment,
} from '../../core/jobs/settings.ts';
import type { LambdaName, TaskDefinitionArns } from '../../core/plan/names.ts';
import type { Deployment, Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import { grantAnySourceItems, grantControl } from './catalog-access.ts';
import { HoldfastFunction } from './holdfast-function.ts';
import { planEnvironment, vaultEnvironment } from './runtime-environment.ts';
import { VaultAccess } from './vault-access.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface JobFunctionsProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
  /** What claim-job may order to run. */
  readonly definitionArns: TaskDefinitionArns;
}

/**
 * The short decisions of every job, one function and one role each. Metrics leave through their logs (embedded metric
 * format), so none of them needs a permission for that.
 */
export class JobFunctions extends Construct {
  readonly claimJob: HoldfastFunction;
  readonly checkCopy: HoldfastFunction;
  readonly finishJob: HoldfastFunction;
  readonly failJob: HoldfastFunction;
  readonly deadMan: HoldfastFunction;

  constructor(scope: Construct, id: string, props: JobFunctionsProps) {
    super(scope, id);
    const plan = planEnvironment(props.deployment, props.side);
    const vault = vaultEnvironment(props.deployment, {
      side: props.side,
      keys: props.keys,
      stack: Stack.of(this),
    });
    const claim: ClaimJobEnvironment = {
      ...plan,
      ...vault,
      HOLDFAST_TASK_DEFINITIONS: Stack.of(this).toJsonString(props.definitionArns),
    };
    const check: CheckCopyEnvironment = { ...plan, ...vault };
    const report: FinishJobEnvironment & FailJobEnvironment = plan;
    const watch: DeadManEnvironment = { ...plan, ...vault };
    this.claimJob = this.#job(props, 'claim-job', {
      description: 'Decides whether an execution may run, and with what',
      environment: claim,
      timeout: Duration.minutes(2),
    });
    this.checkCopy = this.#job(props, 'check-copy', {
      description: 'Compares a recovery point with its copy in the other Region',
      environment: check,
      timeout: Duration.minutes(15),
      memorySizeMb: 1024,
    });
    this.finishJob = this.#job(props, 'finish-job', {
      description: 'Completes a job and publishes its figures',
      environment: report,
    });
    this.failJob = this.#job(props, 'fail-job', {
      description: 'Records the failure of a job',
      environment: report,
    });
    this.deadMan = this.#job(props, 'dead-man', {
      description: "Reports the age of each source's newest whole recovery point",
      environment: watch,
      timeout: Duration.minutes(4),
      staleAfter: Duration.minutes(5),
    });
    this.#allowVaults(props);
    this.#allowCatalog(props);
    this.#allowExecutions(props);
  }

  #job(
    props: JobFunctionsProps,
    name: LambdaName,
    rest: {
      readonly description: string;
      readonly environment: Readonly<Record<string, string | undefined>>;
      readonly timeout?: Duration;
      readonly memorySizeMb?: number;
      readonly staleAfter?: Duration;
    },
  ): HoldfastFunction {
    const { deployment } = props;
    return new HoldfastFunction(this, name, {
      deployment,
      bundle: name,
      functionName: deployment.names.lambda(name),
      ...rest,
    });
  }

  #allowVaults({ deployment, side, keys }: JobFunctionsProps): void {
    const own = new VaultAccess({ deployment, region: side.region, keys });
    const peer = new VaultAccess({ deployment, region: side.peerRegion, keys });
    own.grantInspect(this.claimJob.role);
    own.grantInspect(this.deadMan.role);
    own.grantInspect(this.checkCopy.role);
    peer.grantInspect(this.checkCopy.role);
  }

  /** Each what it does; the dead man reads no record, because it watches those who write them. */
  #allowCatalog({ deployment, side }: JobFunctionsProps): void {
    const grant = { deployment, region: side.region };
    // The first claim of all writes the control item; a failover will be a command of its own.
    grantControl(this.claimJob.role, grant, ['GetItem', 'PutItem', 'ConditionCheckItem']);
    grantAnySourceItems(this.claimJob.role, grant, ['GetItem', 'PutItem', 'DeleteItem', 'Query']);
    grantAnySourceItems(this.checkCopy.role, grant, ['GetItem', 'PutItem', 'Query']);
    grantAnySourceItems(this.finishJob.role, grant, ['GetItem', 'PutItem', 'DeleteItem']);
    grantAnySourceItems(this.failJob.role, grant, ['GetItem', 'PutItem', 'DeleteItem']);
  }

  /** A claim is taken over when the execution that holds it is no longer running. */
  #allowExecutions({ deployment, side }: JobFunctionsProps): void {
    const executions = `arn:aws:states:${side.region}:${deployment.plan.account}:execution:${deployment.names.prefix}-*:*`;
    this.claimJob.role.addToPolicy(
      new iam.PolicyStatement({ actions: ['states:DescribeExecution'], resources: [executions] }),
    );
    acknowledge(
      this.claimJob.role,
      `AwsSolutions-IAM5[Resource::${executions}]`,
      'Executions are named when they start; the prefix keeps it to the state machines of this deployment.',
    );
  }
}
