import { beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../core/plan/plan.ts';
import { TaskImage } from '../constructs/task-image.ts';
import type { ResolvedResource } from '../testing/resolve.ts';
import { examplePlan, testStacks } from '../testing/test-app.ts';

const account = '111122223333';
const regions = ['us-east-1', 'us-west-2'] as const;

let plan: Plan;
let resources: readonly ResolvedResource[];
beforeAll(async () => {
  plan = await examplePlan('acme');
  ({ resources } = testStacks(plan));
});

const inRegion = (region: string, type: string, all = resources) =>
  all.filter((one) => one.region === region && one.type === type).map(({ properties }) => properties);

describe('schedules', () => {
  it.each(regions)(
    'start the same jobs in %s, with time zone, scheduled time, retries and dead letters',
    (region) => {
      const schedules = inRegion(region, 'AWS::Scheduler::Schedule');
      const backup = schedules.find(({ Name }) => Name === 'shop-db-backup');
      expect(backup).toMatchObject({
        GroupName: 'holdfast-acme',
        ScheduleExpression: 'cron(0 2/6 * * ? *)',
        ScheduleExpressionTimezone: 'UTC',
        State: 'ENABLED',
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: {
          RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 20 },
          DeadLetterConfig: { Arn: expect.stringContaining('AWS::SQS::Queue') },
        },
      });
      expect(JSON.parse(backup!['Target'].Input)).toEqual({
        source: 'shop-db',
        scheduledFor: '<aws.scheduler.scheduled-time>',
      });
      const test = schedules.find(({ Name }) => Name === 'shop-db-restore-test');
      expect(test?.['ScheduleExpression']).toBe('cron(37 5 ? * SUN *)');
      const canary = schedules.find(({ Name }) => Name === 'shop-db-canary');
      expect(canary).toMatchObject({ GroupName: 'holdfast-acme', ScheduleExpression: 'rate(1 minute)' });
      expect(schedules).toHaveLength(3);
    },
  );

  it('have a queue whose depth is watched', () => {
    for (const region of regions) {
      expect(inRegion(region, 'AWS::SQS::Queue').map(({ QueueName }) => QueueName)).toEqual([
        'holdfast-acme-schedule-dlq',
      ]);
    }
  });

  // Lambda tries what it queued twice more, up to six hours later.
  it('start nothing twice and nothing late', () => {
    for (const region of regions) {
      const settings = inRegion(region, 'AWS::Lambda::EventInvokeConfig').map((one) => [
        one['FunctionName'],
        one['MaximumRetryAttempts'],
        one['MaximumEventAgeInSeconds'],
      ]);
      expect(settings.toSorted()).toEqual([
        [expect.stringMatching(/Canar/), 0, 60],
        [expect.stringMatching(/deadman/i), 0, 300],
        [expect.stringMatching(/heartbeat/i), 0, 300],
      ]);
    }
  });

  it('ask the dead man every five minutes', () => {
    for (const region of regions) {
      const rule = inRegion(region, 'AWS::Events::Rule').find(
        ({ Name }) => Name === 'holdfast-acme-dead-man',
      );
      expect(rule).toMatchObject({ ScheduleExpression: 'rate(5 minutes)', State: 'ENABLED' });
    }
  });
});

describe('state machines', () => {
  it.each(regions)('are the three of the plan in %s, logged and traced', (region) => {
    const machines = inRegion(region, 'AWS::StepFunctions::StateMachine');
    expect(machines.map(({ StateMachineName }) => StateMachineName).toSorted()).toEqual([
      'holdfast-acme-backup',
      'holdfast-acme-restore',
      'holdfast-acme-restore-test',
    ]);
    for (const machine of machines) {
      expect(machine['LoggingConfiguration']).toMatchObject({ Level: 'ALL', IncludeExecutionData: true });
      expect(machine['TracingConfiguration']).toEqual({ Enabled: true });
      expect(machine['DefinitionString']).not.toMatch(/\$\{/);
    }
  });

  it("run tasks in the plan's network, or in the one made for them", () => {
    const networkOf = (region: string) => {
      const [machine] = inRegion(region, 'AWS::StepFunctions::StateMachine');
      const definition = JSON.parse(machine!['DefinitionString']);
      return definition.States.RunBackup.Arguments.NetworkConfiguration.AwsvpcConfiguration;
    };
    expect(networkOf('us-east-1')).toEqual({
      Subnets: plan.network['us-east-1']!.subnetIds,
      SecurityGroups: plan.network['us-east-1']!.securityGroupIds,
      AssignPublicIp: 'DISABLED',
    });
    expect(networkOf('us-west-2')).toMatchObject({ AssignPublicIp: 'ENABLED' });
    expect(networkOf('us-west-2').Subnets).toHaveLength(2);
    expect(inRegion('us-east-1', 'AWS::EC2::VPC')).toEqual([]);
    const endpoints = inRegion('us-west-2', 'AWS::EC2::VPCEndpoint').map(({ ServiceName }) => ServiceName);
    expect(endpoints.toSorted()).toEqual(['com.amazonaws.us-west-2.dynamodb', 'com.amazonaws.us-west-2.s3']);
    expect(inRegion('us-west-2', 'AWS::EC2::NatGateway')).toEqual([]);
  });
});

describe('task definitions', () => {
  const families = (region: string) =>
    new Map(inRegion(region, 'AWS::ECS::TaskDefinition').map((one) => [one['Family'] as string, one]));
  const environmentOf = (definition: Record<string, any>) =>
    Object.fromEntries(
      definition['ContainerDefinitions']
        .find(({ Name }: { Name: string }) => Name === 'main')
        .Environment.map(({ Name, Value }: { Name: string; Value: string }) => [Name, Value]),
    );

  it.each(regions)('are one for each thing to do in %s', (region) => {
    expect([...families(region).keys()].toSorted()).toEqual([
      'holdfast-acme-postgres-backup',
      'holdfast-acme-postgres-restore',
      'holdfast-acme-postgres-restore-test-14',
      'holdfast-acme-postgres-restore-test-15',
      'holdfast-acme-postgres-restore-test-16',
      'holdfast-acme-postgres-restore-test-17',
      'holdfast-acme-postgres-restore-test-18',
    ]);
  });

  it('know their own vault, the other one, and the keys as their Region names them', () => {
    expect(environmentOf(families('us-west-2').get('holdfast-acme-postgres-backup')!)).toMatchObject({
      HOLDFAST_PLAN_NAME: 'acme',
      HOLDFAST_REGION: 'us-west-2',
      HOLDFAST_PEER_REGION: 'us-east-1',
      HOLDFAST_TABLE: 'holdfast-acme',
      HOLDFAST_VAULT_URL: `s3://holdfast-acme-${account}-us-west-2`,
      HOLDFAST_PEER_VAULT_URL: `s3://holdfast-acme-${account}-us-east-1`,
      HOLDFAST_VAULT_KEY_ARN: `arn:aws:kms:us-west-2:${account}:key/mrk-vault`,
      HOLDFAST_SIGNING_KEY_ARN: `arn:aws:kms:us-west-2:${account}:key/mrk-signing`,
      HOLDFAST_BREAK_GLASS_PUBLIC_KEY: plan.vault.breakGlassPublicKey,
    });
  });

  it('have a scratch server of the same major beside a restore test, which cannot fail the task', () => {
    const definition = families('us-east-1').get('holdfast-acme-postgres-restore-test-16')!;
    const scratch = definition['ContainerDefinitions'].find(
      ({ Name }: { Name: string }) => Name === 'scratch',
    );
    expect(scratch).toMatchObject({
      Image: 'public.ecr.aws/docker/library/postgres:16',
      Essential: false,
      User: 'postgres',
      Environment: expect.arrayContaining([{ Name: 'PGPORT', Value: '5432' }]),
      MountPoints: [{ ContainerPath: '/scratch-control', ReadOnly: true, SourceVolume: 'scratch-control' }],
    });
    expect(scratch.PortMappings ?? []).toEqual([]);
    expect(environmentOf(definition)).toMatchObject({
      HOLDFAST_SCRATCH_PORT: '5432',
      HOLDFAST_SCRATCH_CONTROL: '/scratch-control',
    });
    expect(definition['EphemeralStorage']).toEqual({ SizeInGiB: 200 });
  });

  it('refuse an image that is not named by digest', () => {
    const { deployment } = testStacks(plan);
    expect(() => new TaskImage({ ...deployment, image: 'holdfast:latest' }, 'us-east-1')).toThrow(
      /holdfast:latest is not named by digest/,
    );
  });
});

describe('task roles', () => {
  it('can be taken only by tasks of this account', () => {
    const roles = inRegion('us-east-1', 'AWS::IAM::Role').filter(
      ({ AssumeRolePolicyDocument: document, Description: text }) =>
        document.Statement[0].Principal.Service === 'ecs-tasks.amazonaws.com' && !/Starts tasks/.test(text),
    );
    // Three for the source, and the one of the definitions.
    expect(roles).toHaveLength(4);
    for (const role of roles) {
      expect(role['AssumeRolePolicyDocument'].Statement[0].Condition).toEqual({
        StringEquals: { 'aws:SourceAccount': account },
        ArnLike: { 'aws:SourceArn': `arn:aws:ecs:us-east-1:${account}:*` },
      });
    }
  });
});
