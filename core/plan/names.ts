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
  readonly alarmTopic: string;
  readonly scheduleGroup: string;
  readonly scheduleDeadLetterQueue: string;
  lambda(name: LambdaName): string;
  stateMachine(name: StateMachineName): string;
  stateMachineArn(name: StateMachineName, region: string): string;
  taskFamily(name: 'postgres-backup' | 'postgres-restore' | `postgres-restore-test-${number}`): string;
  stack(name: StackName): string;
}

export const lambdaNames = ['claim-job', 'check-copy', 'finish-job', 'fail-job', 'dead-man'] as const;
export type LambdaName = (typeof lambdaNames)[number];
export const stateMachineNames = ['backup', 'restore', 'restore-test'] as const;
export type StateMachineName = (typeof stateMachineNames)[number];
export const stackNames = [
  'VaultStandby',
  'Vault',
  'Replication',
  'ControlPrimary',
  'ControlStandby',
] as const;
export type StackName = (typeof stackNames)[number];

/** Majors whose restore tests have a task definition of their own: the scratch server is of the source's major. */
export const postgresMajors = [14, 15, 16, 17, 18] as const;

export function deploymentNames(plan: Pick<Plan, 'name' | 'account'>): DeploymentNames {
  const prefix = `holdfast-${plan.name}`;
  return {
    prefix,
    vaultBucket: (region) => `${prefix}-${plan.account}-${region}`,
    accessLogBucket: (region) => `${prefix}-${plan.account}-${region}-logs`,
    table: prefix,
    cluster: prefix,
    vaultKeyAlias: `alias/${prefix}-vault`,
    signingKeyAlias: `alias/${prefix}-signing`,
    alarmTopic: `${prefix}-alarms`,
    scheduleGroup: prefix,
    scheduleDeadLetterQueue: `${prefix}-schedule-dlq`,
    lambda: (name) => `${prefix}-${name}`,
    stateMachine: (name) => `${prefix}-${name}`,
    stateMachineArn: (name, region) =>
      `arn:aws:states:${region}:${plan.account}:stateMachine:${prefix}-${name}`,
    taskFamily: (name) => `${prefix}-${name}`,
    stack: (name) => `Holdfast-${plan.name}-${name}`,
  };
}
