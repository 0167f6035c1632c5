import { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { postgresMajors, type StateMachineName, type TaskName } from '../../core/plan/names.ts';
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
    const running = (workflow: StateMachineName, names: readonly TaskName[]) => (role: iam.Role) =>
      grantRunTask(role, { tasks, names, taskRoles: tasks.roles.of(workflow) });
    this.backup = new StateMachineFile(this, 'backup', {
      deployment,
      name: 'backup',
      substitutions: { ...substitutions, CheckCopyFunctionArn: functions.checkCopy.function.functionArn },
      grants: {
        [invokeFunction]: (role) => grantInvoke(role, [...decisions, functions.checkCopy]),
        [runTask]: running('backup', ['postgres-backup']),
      },
    });
    this.restore = new StateMachineFile(this, 'restore', {
      deployment,
      name: 'restore',
      substitutions,
      grants: {
        [invokeFunction]: (role) => grantInvoke(role, decisions),
        [runTask]: running('restore', ['postgres-restore']),
      },
    });
    this.restoreTest = new StateMachineFile(this, 'restore-test', {
      deployment,
      name: 'restore-test',
      substitutions,
      grants: {
        [invokeFunction]: (role) => grantInvoke(role, decisions),
        [runTask]: running(
          'restore-test',
          postgresMajors.map((major) => `postgres-restore-test-${major}` as const),
        ),
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
  readonly names: readonly TaskName[];
  /** What claim-job may name as the role of a run. */
  readonly taskRoles: readonly iam.IRole[];
}

/**
 * What `ecs:runTask.sync` needs: https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html. Only the revisions of
 * this deployment may run: another one of the same family, which anybody with `ecs:RegisterTaskDefinition` can add, would
 * run foreign code under a task role. ECS authorises RunTask by the revision
 * (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html).
 */
function grantRunTask(role: iam.Role, { tasks, names, taskRoles }: RunTaskGrant): void {
  const stack = Stack.of(role);
  const ecsArn = (resource: string) => `arn:aws:ecs:${stack.region}:${stack.account}:${resource}`;
  const inCluster = { ArnEquals: { 'ecs:cluster': tasks.cluster.attrArn } };
  const running = ecsArn(`task/${tasks.cluster.clusterName}/*`);
  const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
    role.addToPolicy(new iam.PolicyStatement({ actions, resources, conditions }));
  allow(
    ['ecs:RunTask'],
    names.map((name) => tasks.definitionArns[name]),
    inCluster,
  );
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
  acknowledge(
    role,
    `AwsSolutions-IAM5[Resource::${running}]`,
    'ECS makes the ids of tasks; the cluster is the narrowest scope there is.',
  );
}
