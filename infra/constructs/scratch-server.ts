import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type { Deployment } from '../deployment.ts';
import type { TaskDefinition } from './task-definition.ts';

export const scratchPort = 5432;
export const scratchControlFolder = '/scratch-control';
const controlVolume = 'scratch-control';

export interface ScratchServerProps {
  readonly deployment: Deployment;
  /** Major version of the source, so that the restore is proven where it would happen. */
  readonly major: number;
  readonly logGroup: logs.ILogGroup;
}

/**
 * Starts the server and stops it cleanly when the main container asks by a file in `controlFolder`: the task must end with
 * exit code 0 in every container, or Step Functions takes the restore test for failed. Ends with the server's own code when
 * that dies. It asks once a second until the server is gone, because the entry point does not listen while it sets up the
 * data folder; and it never blocks in `wait`, which a signal would end with the code of that signal.
 */
export function scratchScript(controlFolder: string): string {
  return `docker-entrypoint.sh postgres -c listen_addresses=127.0.0.1 -c port="$PGPORT" \\
  -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_wal_size=8GB \\
  -c shared_buffers=1GB -c maintenance_work_mem=1GB &
server=$!
ending=
trap 'ending=yes' TERM INT
while kill -0 "$server" 2>/dev/null; do
  sleep 1
  if [ -n "$ending" ] || [ -e ${controlFolder}/stop ]; then kill -INT "$server" 2>/dev/null; fi
done
wait "$server"
`;
}

function scratchImage({ deployment, major }: ScratchServerProps): string {
  return deployment.scratchImages?.[major] ?? `public.ecr.aws/docker/library/postgres:${major}`;
}

/** An empty PostgreSQL beside a restore test. Nothing but the main container can reach it, and it dies with the task. */
export function addScratchServer(task: TaskDefinition, props: ScratchServerProps): void {
  task.definition.addVolume({ name: controlVolume });
  const server = task.definition.addContainer('scratch', {
    image: ecs.ContainerImage.fromRegistry(scratchImage(props)),
    essential: false,
    // The image's own user; its entry point would start as root otherwise. Its root file system stays writable, for the
    // data folder of the image lies in it (at another place since 18).
    user: 'postgres',
    entryPoint: ['sh', '-c'],
    command: [scratchScript(scratchControlFolder)],
    environment: {
      PGPORT: String(scratchPort),
      // Loopback only, one task, data that is thrown away: a password would protect nothing.
      POSTGRES_HOST_AUTH_METHOD: 'trust',
    },
    logging: ecs.LogDrivers.awsLogs({ logGroup: props.logGroup, streamPrefix: 'scratch' }),
    stopTimeout: Duration.seconds(120),
  });
  server.addMountPoints({ sourceVolume: controlVolume, containerPath: scratchControlFolder, readOnly: true });
  task.main.addMountPoints({
    sourceVolume: controlVolume,
    containerPath: scratchControlFolder,
    readOnly: false,
  });
  task.main.addContainerDependencies({
    container: server,
    condition: ecs.ContainerDependencyCondition.START,
  });
}
