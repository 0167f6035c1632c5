import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { TaskStaticEnvironment } from '../../core/jobs/settings.ts';
import { postgresMajors, type TaskDefinitionArns } from '../../core/plan/names.ts';
import { taskProcessors } from '../../core/plan/task-size.ts';
import type { Deployment, Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import { planEnvironment, vaultEnvironment } from './runtime-environment.ts';
import { addScratchServer, scratchControlFolder, scratchPort } from './scratch-server.ts';
import { TaskImage } from './task-image.ts';
import { TaskDefinition } from './task-definition.ts';
import { TaskRoles } from './task-roles.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface JobTasksProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
}

/** The cluster and the task definitions that move bytes, with the roles that their runs take. */
export class JobTasks extends Construct {
  readonly cluster: ecs.CfnCluster;
  readonly executionRole: iam.Role;
  readonly roles: TaskRoles;
  /** A restore test has one for each major version of PostgreSQL. */
  readonly definitionArns: TaskDefinitionArns;

  constructor(scope: Construct, id: string, props: JobTasksProps) {
    super(scope, id);
    const { deployment, side, keys } = props;
    const { names, plan } = deployment;
    // Level 1: the higher construct would bring a network along, and tasks have theirs.
    this.cluster = new ecs.CfnCluster(this, 'Cluster', {
      clusterName: names.cluster,
      clusterSettings: [{ name: 'containerInsights', value: 'enabled' }],
    });
    const image = new TaskImage(deployment, side.region);
    const logGroup = new logs.LogGroup(this, 'Logs', {
      logGroupName: `/holdfast/${plan.name}/tasks`,
      retention: logs.RetentionDays.ONE_YEAR,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.executionRole = this.#executionRole(image, logGroup);
    const environment: TaskStaticEnvironment = {
      ...planEnvironment(deployment, side),
      ...vaultEnvironment(deployment, { side, keys, stack: Stack.of(this) }),
    };
    this.roles = new TaskRoles(this, 'Roles', props);
    const shared = {
      image,
      taskRole: this.roles.withoutRights,
      executionRole: this.executionRole,
      logGroup,
      environment,
    };
    const programs = (['backup', 'restore'] as const).map((workflow) => {
      const program = `postgres-${workflow}` as const;
      const family = names.taskFamily(program);
      const processors = taskProcessors[workflow];
      const task = new TaskDefinition(this, program, { ...shared, family, command: program, processors });
      return [program, task.definition.taskDefinitionArn] as const;
    });
    const restoreTests = postgresMajors.map((major) => {
      const name = `postgres-restore-test-${major}` as const;
      const task = new TaskDefinition(this, name, {
        ...shared,
        family: names.taskFamily(name),
        command: 'postgres-restore',
        environment: {
          ...environment,
          HOLDFAST_SCRATCH_PORT: String(scratchPort),
          HOLDFAST_SCRATCH_CONTROL: scratchControlFolder,
        },
        processors: taskProcessors['restore-test'],
        memoryMiB: 16_384,
        ephemeralStorageGiB: 200,
      });
      addScratchServer(task, { deployment, major, logGroup });
      return [name, task.definition.taskDefinitionArn] as const;
    });
    // Every name is there: the two lists are what `taskNames` is made of.
    this.definitionArns = Object.fromEntries([...programs, ...restoreTests]) as TaskDefinitionArns;
  }

  #executionRole(image: TaskImage, logGroup: logs.LogGroup): iam.Role {
    const role = new iam.Role(this, 'ExecutionRole', {
      description: 'Starts tasks: pulls the image, opens log streams',
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    });
    image.grantPull(role);
    logGroup.grantWrite(role);
    acknowledge(
      role,
      'AwsSolutions-IAM5[Resource::*]',
      'ecr:GetAuthorizationToken knows no resources; pulling is limited to one repository.',
    );
    return role;
  }
}
