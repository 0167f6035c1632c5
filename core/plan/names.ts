import { createHash } from 'node:crypto';
import type { Plan } from './plan.ts';

/**
 * Every name that a deployment uses, derived from the plan alone, so that the command line, the other Region and a person
 * with nothing but the plan file find everything without asking a service that may be down.
 */
export interface DeploymentNames {
  readonly prefix: string;
  vaultBucket(region: string): string;
  accessLogBucket(region: string): string;
  readonly table: string;
  readonly cluster: string;
  readonly vaultKeyAlias: string;
  readonly signingKeyAlias: string;
  /** Beside the plan file: the public half of the signing key, as it was pinned. */
  readonly signingKeyFile: string;
  readonly alarmTopic: string;
  /** Of the key that the topic of the alarms is encrypted with. */
  readonly alarmKeyAlias: string;
  readonly scheduleGroup: string;
  readonly scheduleDeadLetterQueue: string;
  lambda(name: LambdaName): string;
  stateMachine(name: StateMachineName): string;
  stateMachineArn(name: StateMachineName, region: string): string;
  taskFamily(name: TaskName): string;
  /** Role of the tasks of one workflow for one source in one Region; IAM knows no Regions, so the name says it. */
  taskRole(workflow: StateMachineName, source: string, region: string): string;
  taskRoleArn(workflow: StateMachineName, source: string, region: string): string;
  /** Name of a source's schedule within the group. */
  schedule(workflow: StateMachineName | 'canary', source: string): string;
  /** Function that writes the canaries of a source. */
  canaryFunction(source: string): string;
  /** Database role that it writes as. */
  canaryUser(source: string): string;
  /** Secret with the key of a source's canaries; the app makes it, and its copy in the other Region. */
  canaryKeySecret(source: string): string;
  /** Secret with the connection of the writer; `holdfast canary install` makes it. */
  canaryWriterSecret(source: string): string;
  stack(name: StackName): string;
}

/** Functions that a plan has one of in each Region; `heartbeat` only where the plan names a heartbeat. */
export const lambdaNames = [
  'claim-job',
  'check-copy',
  'finish-job',
  'fail-job',
  'dead-man',
  'heartbeat',
] as const;
export type LambdaName = (typeof lambdaNames)[number];
export const stateMachineNames = ['backup', 'restore', 'restore-test'] as const;
export type StateMachineName = (typeof stateMachineNames)[number];
export const stackNames = [
  'KeysStandby',
  'Keys',
  'VaultStandby',
  'Catalog',
  'Vault',
  'Replication',
  'ControlPrimary',
  'ControlStandby',
] as const;
export type StackName = (typeof stackNames)[number];

/** Majors whose restore tests have a task definition of their own: the scratch server is of the source's major. */
export const postgresMajors = [14, 15, 16, 17, 18] as const;
/** What tasks run, a task definition each. */
export const taskNames = [
  'postgres-backup',
  'postgres-restore',
  ...postgresMajors.map((major) => `postgres-restore-test-${major}` as const),
] as const;
export type TaskName = (typeof taskNames)[number];
/** The revision that is deployed of each, as ARN: a family alone would mean whatever was registered last. */
export type TaskDefinitionArns = Readonly<Record<TaskName, string>>;

/** Roles that policies name before they exist: an explicit deny exempts them by ARN. */
export interface NamedRoles {
  /** What CloudFormation acts as during `cdk deploy`. */
  deployment(region: string): string;
  /** Deletes versions whose lock has ended; cannot bypass a lock. */
  retention(region: string): string;
  /** Finds or makes the keys of a Region; with break-glass the only one that changes their policies. */
  keyKeeper(region: string): string;
  /** Sets the replication from the standby's bucket to the primary's, and nothing else. */
  readonly replicationSetter: string;
  /** Made by hand, kept unused, the only one that may disable or delete keys. */
  readonly breakGlass: string;
}

/** `qualifier` is that of `cdk bootstrap`. */
export function namedRoles(plan: Pick<Plan, 'name' | 'account'>, qualifier: string): NamedRoles {
  const { prefix } = deploymentNames(plan);
  return {
    deployment: (region) => `cdk-${qualifier}-cfn-exec-role-${plan.account}-${region}`,
    retention: (region) => `${prefix}-retention-${region}`,
    keyKeeper: (region) => `${prefix}-keep-key-${region}`,
    replicationSetter: `${prefix}-set-replication`,
    breakGlass: `${prefix}-break-glass`,
  };
}

export function roleArn({ account }: Pick<Plan, 'account'>, roleName: string): string {
  return `arn:aws:iam::${account}:role/${roleName}`;
}

/** What IAM allows for the name of a role, and EventBridge Scheduler for that of a schedule. */
const maxNameCharacters = 64;
/** PostgreSQL cuts longer names without an error. */
const maxUserCharacters = 63;
const hashCharacters = 12;

export function deploymentNames(plan: Pick<Plan, 'name' | 'account'>): DeploymentNames {
  const prefix = `holdfast-${plan.name}`;
  // Dots, which no part contains: `restore` of `test-a` must not be `restore-test` of `a`.
  const taskRole = (workflow: StateMachineName, source: string, region: string) =>
    fit(`${prefix}.${workflow}.${source}.${region}`);
  return {
    prefix,
    vaultBucket: (region) => `${prefix}-${plan.account}-${region}`,
    accessLogBucket: (region) => `${prefix}-${plan.account}-${region}-logs`,
    table: prefix,
    cluster: prefix,
    vaultKeyAlias: `alias/${prefix}-vault`,
    signingKeyAlias: `alias/${prefix}-signing`,
    signingKeyFile: `${prefix}.signing-key.pub.pem`,
    alarmTopic: `${prefix}-alarms`,
    alarmKeyAlias: `alias/${prefix}-alarms`,
    scheduleGroup: prefix,
    scheduleDeadLetterQueue: `${prefix}-schedule-dlq`,
    lambda: (name) => `${prefix}-${name}`,
    stateMachine: (name) => `${prefix}-${name}`,
    stateMachineArn: (name, region) =>
      `arn:aws:states:${region}:${plan.account}:stateMachine:${prefix}-${name}`,
    taskFamily: (name) => `${prefix}-${name}`,
    taskRole,
    taskRoleArn: (workflow, source, region) =>
      `arn:aws:iam::${plan.account}:role/${taskRole(workflow, source, region)}`,
    schedule: (workflow, source) => fit(`${source}-${workflow}`),
    canaryFunction: (source) => fit(`${prefix}-canary-${source}`).replace('.', '-'),
    canaryUser: (source) => fit(`holdfast_canary_${source.replaceAll('-', '_')}`, maxUserCharacters),
    canaryKeySecret: (source) => `${prefix}/canary-key/${source}`,
    canaryWriterSecret: (source) => `${prefix}/canary-writer/${source}`,
    stack: (name) => `Holdfast-${plan.name}-${name}`,
  };
}

/**
 * A name that is too long keeps its readable beginning, and a hash of all of it tells it from others that begin alike. No
 * whole name ends in a dot and twelve hexadecimal digits, so a shortened one never meets it.
 */
function fit(name: string, most: number = maxNameCharacters): string {
  if (name.length <= most) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashCharacters);
  return `${name.slice(0, most - hashCharacters - 1)}.${hash}`;
}
