import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct, type IDependable } from 'constructs';
import type { CanaryWriterEnvironment } from '../../core/jobs/settings.ts';
import type { SourcePlan } from '../../core/plan/plan.ts';
import type { Deployment, Side } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import { grantControl } from './catalog-access.ts';
import { grantDatabases } from './database-access.ts';
import { HoldfastFunction } from './holdfast-function.ts';
import { planEnvironment } from './runtime-environment.ts';
import { grantSecrets } from './secret-access.ts';

export interface CanaryWritersProps {
  readonly deployment: Deployment;
  readonly side: Side;
  /** Has to be there before its schedules are. */
  readonly scheduleGroup: IDependable;
}

/**
 * One small function for each source with a canary, with the rights on this source's two secrets and no other. Both Regions
 * have it and the one that is not active writes nothing, so a failover changes no schedule. The key is made once, in the
 * primary Region, and copied to the other by Secrets Manager, so that a restore verifies with the primary dead.
 */
export class CanaryWriters extends Construct {
  constructor(scope: Construct, id: string, props: CanaryWritersProps) {
    super(scope, id);
    const { deployment, side } = props;
    const sources = deployment.plan.sources.filter(({ canary }) => canary !== undefined);
    for (const source of sources) {
      const writer = new CanaryWriter(this, source.id, { ...props, source });
      if (side.role === 'primary') writer.makeKey();
    }
  }
}

interface CanaryWriterProps extends CanaryWritersProps {
  readonly source: SourcePlan;
}

class CanaryWriter extends Construct {
  readonly #props: CanaryWriterProps;
  readonly #function: HoldfastFunction;
  readonly #everyMinutes: number;

  constructor(scope: Construct, id: string, props: CanaryWriterProps) {
    super(scope, id);
    this.#props = props;
    const { deployment, side, source } = props;
    this.#everyMinutes = Math.max(1, (source.canary?.everySeconds ?? 60) / 60);
    const environment: CanaryWriterEnvironment = {
      ...planEnvironment(deployment, side),
      HOLDFAST_SOURCE: source.id,
    };
    this.#function = new HoldfastFunction(this, 'Writer', {
      deployment,
      bundle: 'canary-writer',
      logName: `canary-writer/${source.id}`,
      functionName: deployment.names.canaryFunction(source.id),
      description: `Writes canaries into ${source.id}`,
      environment: {
        ...environment,
        // Since Node.js 20 the runtime leaves the authorities of RDS out unless it is told where they are.
        // https://aws.amazon.com/blogs/compute/node-js-20-x-runtime-now-available-in-aws-lambda/
        NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
      },
      timeout: Duration.seconds(75),
      staleAfter: Duration.minutes(1),
      memorySizeMb: 256,
      network: deployment.plan.network[side.region],
    });
    this.#allow();
    this.#schedule();
  }

  /** In the primary Region; the copy in the other follows it. */
  makeKey(): void {
    const { deployment, side, source } = this.#props;
    const secret = new secretsmanager.Secret(this, 'Key', {
      secretName: deployment.names.canaryKeySecret(source.id),
      description: `Signs the canaries of ${source.id}; a canary signed with another key measures nothing`,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      replicaRegions: [{ region: side.peerRegion }],
    });
    acknowledge(
      secret,
      'AwsSolutions-SMG4',
      'After a rotation no canary of an earlier recovery point could be verified; the key opens nothing.',
    );
  }

  #allow(): void {
    const { deployment, side, source } = this.#props;
    const { names, plan } = deployment;
    const { role } = this.#function;
    const secrets = [names.canaryKeySecret(source.id), names.canaryWriterSecret(source.id)];
    grantSecrets(
      role,
      { deployment, side },
      secrets.map((secret) => ({ connection: { secret } })),
    );
    if (source.connection.iam) {
      const connection = { ...source.connection, username: names.canaryUser(source.id) };
      const { primary, standby } = plan.regions;
      grantDatabases(role, { deployment, regions: [primary, standby] }, [{ connection }]);
    }
    // Which Region is active, and nothing else of the catalogue.
    grantControl(role, { deployment, region: side.region }, ['GetItem']);
  }

  #schedule(): void {
    const { deployment, source, scheduleGroup } = this.#props;
    const target = this.#function.function;
    const role = new iam.Role(this, 'ScheduleRole', {
      description: `Starts the writer of canaries into ${source.id}`,
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': deployment.plan.account } },
      }),
      inlinePolicies: {
        start: new iam.PolicyDocument({
          statements: [
            new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [target.functionArn] }),
          ],
        }),
      },
    });
    const unit = this.#everyMinutes === 1 ? 'minute' : 'minutes';
    const schedule = new scheduler.CfnSchedule(this, 'Schedule', {
      name: deployment.names.schedule('canary', source.id),
      groupName: deployment.names.scheduleGroup,
      description: `Canaries of ${source.id}`,
      scheduleExpression: `rate(${this.#everyMinutes} ${unit})`,
      flexibleTimeWindow: { mode: 'OFF' },
      target: {
        arn: target.functionArn,
        roleArn: role.roleArn,
        input: '{}',
        // The next run is the better second try.
        retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 },
      },
    });
    schedule.node.addDependency(scheduleGroup);
  }
}
