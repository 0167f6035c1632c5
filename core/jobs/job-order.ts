import { HoldfastError } from '../errors.ts';
import { deploymentNames, postgresMajors, type TaskDefinitionArns, type TaskName } from '../plan/names.ts';
import type { Plan, SourcePlan, TargetPlan } from '../plan/plan.ts';
import type { PassedOverRecoveryPoint } from '../vault/vault.ts';
import type { ClaimReply, ClaimRequest } from './messages.ts';
import type { TaskJobEnvironment } from './settings.ts';

/** ECS refuses overrides above 8,192 characters; the rest of them (names, structure) stays below 1,000. */
const maxEnvironmentCharacters = 7_000;

/** The names of both settings about checks, and a number. */
const checksNamesCharacters = 50;

/** A recovery point to be made, or one that was found. */
export interface ResolvedPoint {
  readonly id: string;
  /** Of the server that was backed up, e.g. `18.6`; missing for a point still to be made. */
  readonly engineVersion?: string;
  /** Newer ones that `latest` could not take; at most ten, for the order has little room. */
  readonly passedOver?: readonly PassedOverRecoveryPoint[];
}

export interface OrderInput {
  readonly plan: Plan;
  readonly source: SourcePlan;
  readonly target: TargetPlan | undefined;
  readonly point: ResolvedPoint;
  readonly request: ClaimRequest;
  readonly now: Date;
  readonly jobId: string;
  readonly taskDefinitions: TaskDefinitionArns;
  /** The Region that the task runs in. */
  readonly region: string;
}

/** The order of a task: which revision of which definition to run, as whom, and the job's own environment. References only, never a secret's value. */
export function orderFor(input: OrderInput): Extract<ClaimReply, { outcome: 'claimed' }> {
  const bare = entriesOf(jobEnvironment(input));
  const checks = input.request.kind === 'restore' ? checksThatFit(input, charactersOf(bare)) : {};
  const environment = [...bare, ...entriesOf(checks)];
  const characters = charactersOf(environment);
  if (characters > maxEnvironmentCharacters) {
    throw new HoldfastError(
      'NOT_SUPPORTED_YET',
      `the order for ${input.source.id} takes ${characters} characters, a task takes ${maxEnvironmentCharacters}`,
      { hint: 'put long checks into views of the database and select from them, or name fewer tables' },
    );
  }
  const names = deploymentNames(input.plan);
  return {
    outcome: 'claimed',
    jobId: input.jobId,
    recoveryPointId: input.point.id,
    taskDefinition: input.taskDefinitions[taskName(input)],
    taskRoleArn: names.taskRoleArn(input.request.kind, input.source.id, input.region),
    environment,
  };
}

type Entries = Extract<ClaimReply, { outcome: 'claimed' }>['environment'];

function entriesOf(variables: Partial<TaskJobEnvironment>): Entries {
  return Object.entries(variables).flatMap(([Name, Value]) =>
    Value === undefined ? [] : [{ Name, Value: String(Value) }],
  );
}

function charactersOf(environment: Entries): number {
  return environment.reduce((sum, { Name, Value }) => sum + Name.length + Value.length, 0);
}

/**
 * The plan's assertions as far as the order has room: a restore that somebody needs now is never refused because its checks
 * are long. How many stayed behind is told with the result.
 */
function checksThatFit({ source }: OrderInput, taken: number): Partial<TaskJobEnvironment> {
  const room = maxEnvironmentCharacters - taken - checksNamesCharacters;
  const fitting: SourcePlan['checks'][number][] = [];
  for (const check of source.checks) {
    if (JSON.stringify([...fitting, check]).length > room) break;
    fitting.push(check);
  }
  const leftOut = source.checks.length - fitting.length;
  return {
    HOLDFAST_CHECKS: fitting.length > 0 ? JSON.stringify(fitting) : undefined,
    HOLDFAST_CHECKS_LEFT_OUT: leftOut > 0 ? String(leftOut) : undefined,
  };
}

function jobEnvironment(input: OrderInput): TaskJobEnvironment {
  const { source, target, point, request } = input;
  const { passedOver = [] } = point;
  const shared: TaskJobEnvironment = {
    HOLDFAST_JOB_ID: input.jobId,
    HOLDFAST_JOB_KIND: request.kind,
    HOLDFAST_SOURCE: source.id,
    HOLDFAST_RECOVERY_POINT_ID: point.id,
    HOLDFAST_CONNECTIONS: String(source.connections),
    HOLDFAST_CANARY_KEY_SECRET:
      source.canary === undefined || request.kind === 'backup'
        ? undefined
        : deploymentNames(input.plan).canaryKeySecret(source.id),
    HOLDFAST_PASSED_OVER: passedOver.length > 0 ? JSON.stringify(passedOver) : undefined,
  };
  switch (request.kind) {
    case 'backup':
      return {
        ...shared,
        ...connectionOf(source),
        HOLDFAST_ON_DDL: source.onDdl,
        ...lockOf(input),
      };
    case 'restore':
      return {
        ...shared,
        ...(target !== undefined && connectionOf(target)),
        HOLDFAST_TARGET: target?.id,
        HOLDFAST_STRICT: request.strict === true ? 'true' : undefined,
        HOLDFAST_TABLES: request.tables?.length ? JSON.stringify(request.tables) : undefined,
      };
    default:
      return {
        ...shared,
        HOLDFAST_CHECKS: source.checks.length > 0 ? JSON.stringify(source.checks) : undefined,
      };
  }
}

function connectionOf({ connection }: SourcePlan | TargetPlan) {
  const { secret, tls, iam, username } = connection;
  return {
    HOLDFAST_SECRET: secret,
    HOLDFAST_TLS: tls,
    HOLDFAST_IAM_USER: iam ? username : undefined,
  };
}

function lockOf({ now, plan: { vault } }: OrderInput) {
  if (vault.lock === 'none') return {};
  const until = new Date(now.getTime() + vault.retentionDays * 86_400_000);
  return { HOLDFAST_LOCK_UNTIL: until.toISOString(), HOLDFAST_LOCK_MODE: vault.lock };
}

function taskName({ request, point }: OrderInput): TaskName {
  if (request.kind === 'backup') return 'postgres-backup';
  if (request.kind === 'restore') return 'postgres-restore';
  const number = Number.parseInt(point.engineVersion ?? '', 10);
  const major = postgresMajors.find((known) => known === number);
  if (major === undefined) {
    throw new HoldfastError(
      'NOT_TESTABLE_HERE',
      `recovery point ${point.id} is of PostgreSQL ${point.engineVersion}; scratch servers exist for ${postgresMajors.join(', ')}`,
      { hint: 'restore it into a server of that version by hand: holdfast restore' },
    );
  }
  return `postgres-restore-test-${major}`;
}

/** The target of a restore. @throws TARGET_NOT_FOUND when the plan has none of that name, or has it in another Region */
export function targetOf(plan: Plan, request: ClaimRequest, region: string): TargetPlan | undefined {
  if (request.kind !== 'restore') return undefined;
  const target = plan.targets.find((candidate) => candidate.id === request.target);
  if (target === undefined) {
    const known = plan.targets.map((candidate) => candidate.id).join(', ') || 'none';
    throw new HoldfastError('TARGET_NOT_FOUND', `the plan has no target ${request.target}; it has ${known}`, {
      hint: 'add it below targets: in the plan and deploy',
    });
  }
  if (target.region !== region) {
    throw new HoldfastError(
      'TARGET_NOT_FOUND',
      `target ${target.id} is in ${target.region}, this is ${region}`,
      {
        hint: `start the restore in ${target.region}`,
      },
    );
  }
  return target;
}
