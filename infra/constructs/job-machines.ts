import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { StateMachineName } from '../../core/plan/names.ts';
import type { Deployment } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import type { HoldfastFunction } from './holdfast-function.ts';
import type { JobFunctions } from './job-functions.ts';
import type { JobTasks } from './job-tasks.ts';
import { StateMachineFile } from './state-machine-file.ts';
import type { TaskNetwork } from './task-network.ts';

export interface JobMachinesProps {
  readonly deployment: Deployment;
  readonly functions: JobFunctions;
  readonly tasks: JobTasks;
  readonly network: TaskNetwork;
}

const invokeFunction = 'arn:aws:states:::lambda:invoke';
const runTask = 'arn:aws:states:::ecs:runTask.sync';

/** The three workflows. */
export class JobMachines extends Construct {
  readonly backup: StateMachineFile;
  readonly restore: StateMachineFile;
  readonly restoreTest: StateMachineFile;

  constructor(scope: Construct, id: string, props: JobMachinesProps) {
    super(scope, id);
    const { deployment, functions, tasks, network } = props;
    const { names } = deployment;
    const decisions = [functions.claimJob, functions.finishJob, functions.failJob];
    const substitutions = {
      ClaimJobFunctionArn: functions.claimJob.function.functionArn,
      FinishJobFunctionArn: functions.finishJob.function.functionArn,
      FailJobFunctionArn: functions.failJob.function.functionArn,
      ClusterArn: tasks.cluster.attrArn,
      Subnets: network.subnetIds,
      SecurityGroups: network.securityGroupIds,
      AssignPublicIp: network.assignPublicIp,
    };
    const running = (workflow: StateMachineName, families: readonly string[]) => (role: iam.Role) =>
      grantRunTask(role, { tasks, families, taskRoles: tasks.roles.of(workflow) });
    this.backup = new StateMachineFile(this, 'backup', {
      deployment,
      name: 'backup',
      substitutions: { ...substitutions, CheckCopyFunctionArn: functions.checkCopy.function.functionArn },
      grants: {
        [invokeFunction]: (role) => grantInvoke(role, [...decisions, functions.checkCopy]),
        [runTask]: running('backup', [names.taskFamily('postgres-backup')]),
      },
    });
    this.restore = new StateMachineFile(this, 'restore', {
      deployment,
      name: 'restore',
      substitutions,
      grants: {
        [invokeFunction]: (role) => grantInvoke(role, decisions),
        [runTask]: running('restore', [names.taskFamily('postgres-restore')]),
      },
    });
    this.restoreTest = new StateMachineFile(this, 'restore-test', {
      deployment,
      name: 'restore-test',
      substitutions,
      grants: {
        [invokeFunction]: (role) => grantInvoke(role, decisions),
        [runTask]: running('restore-test', tasks.restoreTestFamilies),
      },
    });
  }
}

function grantInvoke(role: iam.Role, functions: readonly HoldfastFunction[]): void {
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: functions.map((fn) => fn.function.functionArn),
    }),
  );
}

interface RunTaskGrant {
  readonly tasks: JobTasks;
  readonly families: readonly string[];
  /** What claim-job may name as the role of a run. */
  readonly taskRoles: readonly iam.IRole[];
}

/** What `ecs:runTask.sync` needs: https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html */
function grantRunTask(role: iam.Role, { tasks, families, taskRoles }: RunTaskGrant): void {
  const stack = Stack.of(role);
  const ecsArn = (resource: string) => `arn:aws:ecs:${stack.region}:${stack.account}:${resource}`;
  const inCluster = { ArnEquals: { 'ecs:cluster': tasks.cluster.attrArn } };
  const definitions = families.map((family) => ecsArn(`task-definition/${family}:*`));
  const running = ecsArn(`task/${tasks.cluster.clusterName}/*`);
  const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
    role.addToPolicy(new iam.PolicyStatement({ actions, resources, conditions }));
  allow(['ecs:RunTask'], definitions, inCluster);
  allow(['ecs:StopTask', 'ecs:DescribeTasks'], [running], inCluster);
  allow(['ecs:TagResource'], [running], { StringEquals: { 'ecs:CreateAction': 'RunTask' } });
  allow(
    ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'],
    [`arn:aws:events:${stack.region}:${stack.account}:rule/StepFunctionsGetEventsForECSTaskRule`],
  );
  // Those that the definition names are asked for as well, whatever a run puts in their place.
  const passable = [tasks.executionRole, tasks.roles.withoutRights, ...taskRoles];
  allow(
    ['iam:PassRole'],
    passable.map((one) => one.roleArn),
    { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
  );
  for (const resource of [...definitions, running]) {
    acknowledge(
      role,
      `AwsSolutions-IAM5[Resource::${resource}]`,
      'Revisions and task ids are numbered by ECS; family and cluster are the narrowest scope it knows.',
    );
  }
}
