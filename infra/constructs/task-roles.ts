import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { type StateMachineName, stateMachineNames } from '../../core/plan/names.ts';
import type { SourcePlan } from '../../core/plan/plan.ts';
import type { Deployment, Side } from '../deployment.ts';
import { type CatalogAction, grantControl, grantSourceItems } from './catalog-access.ts';
import { grantDatabases } from './database-access.ts';
import { grantSecrets } from './secret-access.ts';
import { VaultAccess } from './vault-access.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface TaskRolesProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
}

/**
 * One role for each workflow and source: whoever steals a task's credentials has one source's prefix and secret, not the
 * plan's. Task definitions are shared and name a role that may do nothing; the job's own role comes with the run.
 */
export class TaskRoles extends Construct {
  /** Of every task definition: a run that brings no role of its own can do no harm, and no work. */
  readonly withoutRights: iam.Role;
  readonly #roles: Readonly<Record<StateMachineName, TaskRole[]>> = {
    backup: [],
    restore: [],
    'restore-test': [],
  };

  constructor(scope: Construct, id: string, props: TaskRolesProps) {
    super(scope, id);
    const { deployment, side } = props;
    this.withoutRights = new iam.Role(this, 'WithoutRights', {
      description: 'Of the task definitions; may do nothing, for each job brings a role of its own',
      assumedBy: tasksOf(props),
    });
    for (const source of deployment.plan.sources) {
      for (const workflow of stateMachineNames) {
        const role = new TaskRole(this, `${workflow}-${source.id}`, {
          ...props,
          roleName: deployment.names.taskRole(workflow, source.id, side.region),
          description: descriptions[workflow](source.id),
        });
        this.#roles[workflow].push(role);
        // The epoch is asked for before anything is written: an order of before a failover is refused.
        grantControl(role, { deployment, region: side.region }, ['GetItem']);
        grants[workflow](role, source, props);
      }
    }
  }

  /** The roles that the tasks of a workflow run as. */
  of(workflow: StateMachineName): readonly iam.IRole[] {
    return this.#roles[workflow].map(({ role }) => role);
  }
}

const grants: Readonly<
  Record<StateMachineName, (role: TaskRole, source: SourcePlan, props: TaskRolesProps) => void>
> = {
  backup: (role, source, props) => {
    vaultOf(props).grantWrite(role, source.id);
    grantItems(role, { ...props, source: source.id }, ['GetItem', 'PutItem', 'DeleteItem', 'Query']);
    grantSecrets(role, props, [source]);
    // After a planned failover the tasks of one Region read the database of the other, which its endpoint's name tells.
    const { primary, standby } = props.deployment.plan.regions;
    grantDatabases(role, { ...props, regions: [primary, standby] }, [source]);
  },
  // By source and not by target: the rows of all sources are worth more than the passwords of a Region's targets, and a
  // role for each pair would take more roles than an account has.
  restore: (role, source, props) => {
    const { deployment, side } = props;
    vaultOf(props).grantRead(role, source.id);
    grantItems(role, { ...props, source: source.id }, ['GetItem', 'PutItem', 'DeleteItem']);
    const targets = deployment.plan.targets.filter((target) => target.region === side.region);
    grantSecrets(role, props, [...targets, ...canaryKeyOf(source, props)]);
    grantDatabases(role, { ...props, regions: [side.region] }, targets);
  },
  // Its server is beside it and lets anyone in, so it gets no secret that opens anything.
  'restore-test': (role, source, props) => {
    vaultOf(props).grantRead(role, source.id);
    grantItems(role, { ...props, source: source.id }, ['GetItem', 'PutItem', 'DeleteItem']);
    grantSecrets(role, props, canaryKeyOf(source, props));
  },
};

/** What verifies canaries; it signs them too, but nobody gets into a source with it. */
function canaryKeyOf({ id, canary }: SourcePlan, { deployment }: TaskRolesProps) {
  return canary === undefined ? [] : [{ connection: { secret: deployment.names.canaryKeySecret(id) } }];
}

/** The job, its lease and mark, and the recovery point. A backup also looks for uploads that earlier jobs left: a query. */
function grantItems(
  role: TaskRole,
  { deployment, side, source }: TaskRolesProps & { readonly source: string },
  actions: readonly CatalogAction[],
): void {
  grantSourceItems(role, { deployment, region: side.region, source }, actions);
}

const descriptions: Readonly<Record<StateMachineName, (source: string) => string>> = {
  backup: (source) => `Reads ${source}, writes its recovery points`,
  restore: (source) => `Reads recovery points of ${source}, writes targets`,
  'restore-test': (source) => `Reads recovery points of ${source} into a scratch server`,
};

function vaultOf({ deployment, side, keys }: TaskRolesProps): VaultAccess {
  return new VaultAccess({ deployment, region: side.region, keys });
}

interface TaskRoleProps extends TaskRolesProps {
  readonly roleName: string;
  readonly description: string;
}

/** A role with its policy inside: as one resource instead of two, because a stack holds 500. */
class TaskRole extends Construct {
  readonly role: iam.Role;
  readonly #policy = new iam.PolicyDocument();

  constructor(scope: Construct, id: string, props: TaskRoleProps) {
    super(scope, id);
    this.role = new iam.Role(this, 'Role', {
      roleName: props.roleName,
      description: props.description,
      assumedBy: tasksOf(props),
      inlinePolicies: { task: this.#policy },
    });
  }

  addToPolicy(statement: iam.PolicyStatement): void {
    this.#policy.addStatements(statement);
  }
}

/** Against a confused deputy: only tasks of this account. */
function tasksOf({ deployment, side }: TaskRolesProps): iam.IPrincipal {
  return new iam.ServicePrincipal('ecs-tasks.amazonaws.com', {
    conditions: {
      StringEquals: { 'aws:SourceAccount': deployment.plan.account },
      ArnLike: { 'aws:SourceArn': `arn:aws:ecs:${side.region}:${deployment.plan.account}:*` },
    },
  });
}
