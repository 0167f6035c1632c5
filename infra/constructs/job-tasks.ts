import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { TaskStaticEnvironment } from '../../core/jobs/settings.ts';
import { postgresMajors } from '../../core/plan/names.ts';
import type { Deployment, Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import { grantCatalog } from './catalog-access.ts';
import { planEnvironment, vaultEnvironment } from './runtime-environment.ts';
import { addScratchServer, scratchControlFolder, scratchPort } from './scratch-server.ts';
import { TaskImage } from './task-image.ts';
import { TaskDefinition } from './task-definition.ts';
import { VaultAccess } from './vault-access.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface JobTasksProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly keys: VaultKeys;
}

/** The cluster and the task definitions that move bytes: one role for each thing that a task may do. */
export class JobTasks extends Construct {
  readonly cluster: ecs.CfnCluster;
  readonly executionRole: iam.Role;
  readonly roles: { readonly backup: iam.Role; readonly restore: iam.Role; readonly restoreTest: iam.Role };
  /** One family for each major version of PostgreSQL. */
  readonly restoreTestFamilies: readonly string[];

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
    this.roles = this.#taskRoles(props);
    const shared = { image, executionRole: this.executionRole, logGroup, environment };
    for (const program of ['postgres-backup', 'postgres-restore'] as const) {
      new TaskDefinition(this, program, {
        ...shared,
        family: names.taskFamily(program),
        command: program,
        taskRole: program === 'postgres-backup' ? this.roles.backup : this.roles.restore,
      });
    }
    this.restoreTestFamilies = postgresMajors.map((major) => {
      const family = names.taskFamily(`postgres-restore-test-${major}`);
      const task = new TaskDefinition(this, `postgres-restore-test-${major}`, {
        ...shared,
        family,
        command: 'postgres-restore',
        taskRole: this.roles.restoreTest,
        environment: {
          ...environment,
          HOLDFAST_SCRATCH_PORT: String(scratchPort),
          HOLDFAST_SCRATCH_CONTROL: scratchControlFolder,
        },
        cpu: 4096,
        memoryMiB: 16_384,
        ephemeralStorageGiB: 200,
      });
      addScratchServer(task, { major, logGroup });
      return family;
    });
  }

  #taskRoles(props: JobTasksProps): JobTasks['roles'] {
    const { deployment, side, keys } = props;
    const { sources, targets } = deployment.plan;
    const vault = new VaultAccess({ deployment, region: side.region, keys });
    const backup = this.#taskRole('Backup', 'Reads sources, writes recovery points', props);
    vault.grantWrite(backup);
    grantSecrets(backup, props, sources);
    const restore = this.#taskRole('Restore', 'Reads recovery points, writes targets', props);
    vault.grantRead(restore);
    grantSecrets(
      restore,
      props,
      targets.filter((target) => target.region === side.region),
    );
    // Its server is beside it and lets anyone in, so it gets no secret at all.
    const restoreTest = this.#taskRole('RestoreTest', 'Reads recovery points into a scratch server', props);
    vault.grantRead(restoreTest);
    return { backup, restore, restoreTest };
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

  #taskRole(id: string, description: string, { deployment, side }: JobTasksProps): iam.Role {
    const role = new iam.Role(this, `${id}Role`, {
      description,
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com', {
        conditions: {
          // Against a confused deputy: only tasks of this account.
          StringEquals: { 'aws:SourceAccount': deployment.plan.account },
          ArnLike: { 'aws:SourceArn': `arn:aws:ecs:${side.region}:${deployment.plan.account}:*` },
        },
      }),
    });
    grantCatalog(deployment, side.region, role);
    return role;
  }
}

/** Secrets by the names of the plan; Secrets Manager adds six characters to each ARN. */
function grantSecrets(
  role: iam.Role,
  { deployment, side }: JobTasksProps,
  owners: readonly { readonly connection: { readonly secret: string } }[],
): void {
  const resources = [...new Set(owners.map(({ connection }) => connection.secret))].map(
    (name) => `arn:aws:secretsmanager:${side.region}:${deployment.plan.account}:secret:${name}-??????`,
  );
  if (resources.length === 0) return;
  role.addToPolicy(new iam.PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources }));
  // A secret may be under a key of its owner's, which the plan does not know; the key's own policy has the other word.
  const keys = `arn:aws:kms:${side.region}:${deployment.plan.account}:key/*`;
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: [keys],
      conditions: {
        StringEquals: { 'kms:ViaService': `secretsmanager.${side.region}.amazonaws.com` },
        StringLike: { 'kms:EncryptionContext:SecretARN': resources },
      },
    }),
  );
  acknowledge(
    role,
    `AwsSolutions-IAM5[Resource::${keys}]`,
    'Decrypts only through Secrets Manager and only the secrets that the plan names, by the encryption context.',
  );
}
