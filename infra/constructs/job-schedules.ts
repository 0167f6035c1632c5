import { Duration, RemovalPolicy, TimeZone } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { SourcePlan } from '../../core/plan/plan.ts';
import type { Deployment } from '../deployment.ts';
import { acknowledge } from './acknowledgements.ts';
import type { JobMachines } from './job-machines.ts';
import { restoreTestExpression } from './restore-test-expression.ts';
import type { StateMachineFile } from './state-machine-file.ts';

export interface JobSchedulesProps {
  readonly deployment: Deployment;
  readonly machines: JobMachines;
}

/**
 * When jobs start. The same in both Regions: the first step of each job asks which Region is active, so a failover changes
 * no schedule. Scheduler delivers at least once; the scheduled time in the input is what a job is claimed by.
 */
export class JobSchedules extends Construct {
  readonly #deadLetterQueue: sqs.Queue;

  constructor(scope: Construct, id: string, props: JobSchedulesProps) {
    super(scope, id);
    const { names, plan } = props.deployment;
    this.#deadLetterQueue = new sqs.Queue(this, 'DeadLetters', {
      queueName: names.scheduleDeadLetterQueue,
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    acknowledge(
      this.#deadLetterQueue,
      'AwsSolutions-SQS3',
      'This is the dead-letter queue itself; an alarm watches its depth.',
    );
    const group = new scheduler.ScheduleGroup(this, 'Group', {
      scheduleGroupName: names.scheduleGroup,
      // Kept by default, and then in the way of the next deployment.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, 'Role', {
      description: 'Starts jobs when their time has come',
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': plan.account } },
      }),
    });
    const { machines } = props;
    plan.sources.forEach((source, index) => {
      const start = (machine: StateMachineFile) => this.#target(machine, source, role);
      new scheduler.Schedule(this, `${source.id}-backup`, {
        scheduleName: names.schedule('backup', source.id),
        scheduleGroup: group,
        description: `Full backup of ${source.id}`,
        schedule: scheduler.ScheduleExpression.expression(source.schedule.full, zone(source)),
        target: start(machines.backup),
      });
      new scheduler.Schedule(this, `${source.id}-restore-test`, {
        scheduleName: names.schedule('restore-test', source.id),
        scheduleGroup: group,
        description: `Weekly restore test of ${source.id}`,
        schedule: scheduler.ScheduleExpression.expression(restoreTestExpression(index), zone(source)),
        target: start(machines.restoreTest),
      });
    });
  }

  #target(machine: StateMachineFile, source: SourcePlan, role: iam.Role): scheduler.IScheduleTarget {
    return new targets.StepFunctionsStartExecution(machine.stateMachine, {
      role,
      input: scheduler.ScheduleTargetInput.fromObject({
        source: source.id,
        scheduledFor: scheduler.ContextAttribute.scheduledTime,
      }),
      deadLetterQueue: this.#deadLetterQueue,
      // Starting an execution fails only when the service does; later than an hour the next run is the better one.
      maxEventAge: Duration.hours(1),
      retryAttempts: 20,
    });
  }
}

function zone(source: SourcePlan) {
  return TimeZone.of(source.schedule.timezone);
}
