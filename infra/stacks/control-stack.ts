import { Fn, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { CanaryWriters } from '../constructs/canary-writers.ts';
import { JobFunctions } from '../constructs/job-functions.ts';
import { JobMachines } from '../constructs/job-machines.ts';
import { JobSchedules } from '../constructs/job-schedules.ts';
import { JobTasks } from '../constructs/job-tasks.ts';
import { TaskNetwork } from '../constructs/task-network.ts';
import { Watch } from '../constructs/watch.ts';
import type { VaultKeys } from '../constructs/vault-keys.ts';
import { type Deployment, type Side, sideOf } from '../deployment.ts';

export interface ControlStackProps extends StackProps {
  readonly deployment: Deployment;
  readonly role: Side['role'];
  /** Keys of the stack's Region. */
  readonly keys: VaultKeys;
}

/** Everything that acts in one Region. Both Regions hold all of it, so that either works without the other. */
export class ControlStack extends Stack {
  constructor(scope: Construct, id: string, props: ControlStackProps) {
    const { deployment, role, keys } = props;
    super(scope, id, { description: `Holdfast: control plane of the ${role} Region`, ...props });
    const side = sideOf(deployment.plan, role);
    const network = new TaskNetwork(this, 'Network', { plan: deployment.plan, region: side.region });
    const tasks = new JobTasks(this, 'Tasks', { deployment, side, keys });
    const { definitionArns } = tasks;
    const functions = new JobFunctions(this, 'Functions', { deployment, side, keys, definitionArns });
    const machines = new JobMachines(this, 'Machines', { deployment, functions, tasks, network });
    const schedules = new JobSchedules(this, 'Schedules', { deployment, machines });
    new CanaryWriters(this, 'Canaries', { deployment, side, scheduleGroup: schedules });
    new Watch(this, 'Watch', {
      deployment,
      side,
      keys,
      deadMan: functions.deadMan,
    });
  }

  /** Chosen by CloudFormation, for asking now would need the account. */
  override get availabilityZones(): string[] {
    return [Fn.select(0, Fn.getAzs()), Fn.select(1, Fn.getAzs())];
  }
}
