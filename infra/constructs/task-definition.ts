import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { TaskStaticEnvironment } from '../../core/jobs/settings.ts';
import { acknowledge } from './acknowledgements.ts';
import type { TaskImage } from './task-image.ts';

/** State machines override the environment of the container with this name. */
export const mainContainerName = 'main';

export interface TaskDefinitionProps {
  readonly family: string;
  readonly image: TaskImage;
  /** Which program of the image runs. */
  readonly command: 'postgres-backup' | 'postgres-restore';
  /** Of runs that bring no other. */
  readonly taskRole: iam.Role;
  readonly executionRole: iam.Role;
  readonly logGroup: logs.ILogGroup;
  readonly environment: TaskStaticEnvironment;
  readonly processors: number;
  /** @default 4096 */
  readonly memoryMiB?: number;
  /** Disk of the task, 21 to 200. @default - the 20 GiB that every task has */
  readonly ephemeralStorageGiB?: number;
}

/** One way to run our image on Fargate: no root, nothing to write on but `/tmp`. */
export class TaskDefinition extends Construct {
  readonly definition: ecs.FargateTaskDefinition;
  readonly main: ecs.ContainerDefinition;

  constructor(scope: Construct, id: string, props: TaskDefinitionProps) {
    super(scope, id);
    this.definition = new ecs.FargateTaskDefinition(this, 'Definition', {
      family: props.family,
      // In 1/1024: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size
      cpu: props.processors * 1024,
      memoryLimitMiB: props.memoryMiB ?? 4096,
      ...(props.ephemeralStorageGiB !== undefined && { ephemeralStorageGiB: props.ephemeralStorageGiB }),
      runtimePlatform: {
        cpuArchitecture: ecs.CpuArchitecture.ARM64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: props.taskRole.withoutPolicyUpdates(),
      executionRole: props.executionRole.withoutPolicyUpdates(),
      volumes: [{ name: 'tmp' }],
    });
    this.main = this.definition.addContainer(mainContainerName, {
      image: props.image.containerImage(),
      command: [props.command],
      essential: true,
      user: '1000:1000',
      readonlyRootFilesystem: true,
      environment: present(props.environment),
      logging: ecs.LogDrivers.awsLogs({ logGroup: props.logGroup, streamPrefix: props.command }),
      // As long as Fargate allows: a clean abort takes up to 20 s, and Spot gives two minutes.
      stopTimeout: Duration.seconds(120),
      linuxParameters: new ecs.LinuxParameters(this, 'Linux', { initProcessEnabled: true }),
    });
    this.main.addMountPoints({ sourceVolume: 'tmp', containerPath: '/tmp', readOnly: false });
    acknowledge(
      this.main,
      '@aws-cdk/aws-ecs:ecrImageRequiresPolicy',
      'The execution role may pull exactly this repository (TaskImage.grantPull).',
    );
    acknowledge(
      this.definition,
      'AwsSolutions-ECS2',
      'The variables name things (buckets, keys, table) and hold no secret; secrets are read by name at the moment of use.',
    );
  }
}

function present(environment: TaskStaticEnvironment): Record<string, string> {
  const entries = Object.entries(environment).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return Object.fromEntries(entries);
}
