import { targetOf } from './targets.ts';
import { type CommandContext, type CommandResult, runCommand } from '../run-command.ts';
import {
  type Deployment,
  type DeploymentOptions,
  inRegion,
  onlySource,
  openDeployment,
  sourceOf,
} from './deployment.ts';
import { followJob } from './follow.ts';
import { startExecution } from './executions.ts';
import type { StateMachineName } from '../../core/plan/names.ts';
import { requirePointId } from '../local/vault-place.ts';

export interface StartOptions extends DeploymentOptions {
  readonly wait?: boolean;
}

/** `holdfast backup SOURCE` */
export async function startBackup(source: string, options: StartOptions): Promise<void> {
  await runCommand(options, async (command) => {
    const deployment = await openDeployment(options);
    sourceOf(deployment.plan, source);
    return start({ deployment, command, options, machine: 'backup', input: { source } });
  });
}

export interface StartRestoreOptions extends StartOptions {
  readonly source?: string;
  readonly to: string;
  readonly table?: readonly string[];
  readonly strict?: boolean;
}

/** `holdfast restore ID` */
export async function startRestore(id: string, options: StartRestoreOptions): Promise<void> {
  await runCommand(options, async (command) => {
    const recoveryPoint = requirePointId(id);
    const deployment = await openDeployment(options);
    const { to, table, strict } = options;
    const source = sourceOf(deployment.plan, options.source ?? onlySource(deployment.plan)).id;
    targetOf(deployment, to);
    const input = {
      source,
      recoveryPoint,
      target: to,
      ...(table !== undefined && { tables: table }),
      ...(strict === true && { strict }),
    };
    return start({ deployment, command, options, machine: 'restore', input });
  });
}

export interface StartRestoreTestOptions extends StartOptions {
  readonly recoveryPoint: string;
}

/** `holdfast restore-test SOURCE` */
export async function startRestoreTest(source: string, options: StartRestoreTestOptions): Promise<void> {
  await runCommand(options, async (command) => {
    const recoveryPoint = requirePointId(options.recoveryPoint);
    const deployment = await openDeployment(options);
    sourceOf(deployment.plan, source);
    return start({ deployment, command, options, machine: 'restore-test', input: { source, recoveryPoint } });
  });
}

interface Start {
  readonly deployment: Deployment;
  readonly command: CommandContext;
  readonly options: StartOptions;
  readonly machine: StateMachineName;
  readonly input: { readonly source: string; readonly [more: string]: unknown };
}

async function start({ deployment, command, options, machine, input }: Start): Promise<CommandResult> {
  const { region, names, planFile } = deployment;
  const executionArn = await inRegion(deployment, () =>
    startExecution({ region, stateMachineArn: names.stateMachineArn(machine, region), input }),
  );
  if (options.wait === true)
    return inRegion(deployment, () =>
      followJob(deployment, { executionArn, source: input.source, kind: machine }, command),
    );
  return {
    json: { state: 'started', executionArn, source: input.source, region },
    text: `started ${machine} of ${input.source} in ${region}\n  execution: ${executionArn}\n  follow it with: holdfast jobs --source ${input.source} --plan ${planFile}${options.region === undefined ? '' : ` --region ${region}`}`,
  };
}
