import { targetOf } from './targets.ts';
import { type CommandContext, type CommandResult, runCommand } from '../run-command.ts';
import {
  type Deployment,
  type DeploymentOptions,
  onlySource,
  openDeployment,
  sourceOf,
} from './deployment.ts';
import { commandIn, inRegion, isPeerSilent, type Question } from './in-region.ts';
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
    const instead = `backups run in the active Region alone; to recover there: docs/runbook.md, Disaster recovery`;
    const alone = `what is backed up is in ${deployment.region} alone until it does (stored, peer down)`;
    return start({ deployment, command, options, machine: 'backup', input: { source }, instead, alone });
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
    const instead = insteadOfRestore(deployment, { recoveryPoint, source, options });
    const alone = restoredAlone(deployment, recoveryPoint);
    return start({ deployment, command, options, machine: 'restore', input, instead, alone });
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
    const input = { source, recoveryPoint };
    const instead = commandIn(deployment, deployment.peerRegion, `restore-test ${source}`);
    const alone = restoredAlone(deployment, recoveryPoint);
    return start({ deployment, command, options, machine: 'restore-test', input, instead, alone });
  });
}

function restoredAlone({ region }: Deployment, recoveryPoint: string): string {
  return recoveryPoint === 'latest'
    ? `latest is the newest point that is whole in ${region}`
    : `only the copy in ${region} can be restored`;
}

interface RestoreOrder {
  readonly recoveryPoint: string;
  readonly source: string;
  readonly options: StartRestoreOptions;
}

/** Targets belong to a Region, so the same words with another Region would be refused. */
function insteadOfRestore(deployment: Deployment, { recoveryPoint, source, options }: RestoreOrder): string {
  const { plan, peerRegion } = deployment;
  const target = plan.targets.find((candidate) => candidate.region === peerRegion);
  if (target === undefined) return `the plan has no target there; docs/paper-restore.md restores without one`;
  const tables = (options.table ?? []).map((name) => ` --table ${name}`).join('');
  const words = `restore ${recoveryPoint} --source ${source} --to ${target.id}${tables}`;
  return commandIn(deployment, peerRegion, options.strict === true ? `${words} --strict` : words);
}

interface Start {
  readonly deployment: Deployment;
  readonly command: CommandContext;
  readonly options: StartOptions;
  readonly machine: StateMachineName;
  readonly input: {
    readonly source: string;
    readonly tables?: readonly string[];
    readonly [more: string]: unknown;
  };
  /** See {@link Question}. */
  readonly instead: string;
  /** What it means that the other Region does not answer. */
  readonly alone: string;
}

async function start(order: Start): Promise<CommandResult> {
  const { deployment, command, options, machine, input } = order;
  const { region, peerRegion, names } = deployment;
  const peerSilence = isPeerSilent(deployment, 'catalogue');
  const about = (undone: string): Question => ({ undone, instead: order.instead });
  const unstarted = about(`the ${machine} of ${input.source} was not started`);
  const executionArn = await inRegion(deployment, unstarted, () =>
    startExecution({ region, stateMachineArn: names.stateMachineArn(machine, region), input }),
  );
  if (await peerSilence) command.warn(`${peerRegion} does not answer: ${order.alone}`);
  const follow = commandIn(deployment, region, `jobs --source ${input.source}`);
  if (options.wait === true) {
    const unknown = about(`how the ${machine} of ${input.source} ended is not known`);
    const { source, tables } = input;
    const followed = { executionArn, source, kind: machine, jobs: follow, tables };
    return inRegion(deployment, unknown, () => followJob(deployment, followed, command));
  }
  return {
    json: { state: 'started', executionArn, source: input.source, region },
    text: `started ${machine} of ${input.source} in ${region}\n  execution: ${executionArn}\n  follow it with: ${follow}`,
  };
}
