import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Stack } from 'aws-cdk-lib';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { claimJobSettingsSchema } from '../../core/jobs/settings.ts';
import { deploymentNames, postgresMajors, stateMachineNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { type ResolvedResource, revision } from '../testing/resolve.ts';
import { roleOf, simulate } from '../testing/simulate.ts';
import { examplePlan, testApp, testDeployment, testStacks } from '../testing/test-app.ts';
import {
  integrationsOf,
  placeholdersOf,
  StateMachineFile,
  type StateMachineFileProps,
} from './state-machine-file.ts';

let plan: Plan;
let resources: readonly ResolvedResource[];
beforeAll(async () => {
  plan = await examplePlan('acme');
  const [source] = plan.sources;
  ({ resources } = testStacks({ ...plan, sources: [source!, { ...source!, id: 'till-db' }] }));
});

const invoke = 'arn:aws:states:::lambda:invoke';
const task = (resource: string, argument: string) => ({
  StartAt: 'Do',
  States: { Do: { Type: 'Task', Resource: resource, Arguments: { FunctionName: argument }, End: true } },
});

let folder: string | undefined;
afterEach(() => {
  if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true });
});

function load(definition: unknown, props: Pick<StateMachineFileProps, 'substitutions' | 'grants'>) {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-machines-'));
  fs.writeFileSync(path.join(folder, 'backup.asl.json'), JSON.stringify(definition));
  const deployment = testDeployment(plan, path.join(folder, 'functions'));
  return new StateMachineFile(new Stack(testApp(), 'Test'), 'Machine', {
    deployment,
    name: 'backup',
    folder,
    ...props,
  });
}

describe('StateMachineFile', () => {
  it('refuses a placeholder that nobody fills', () => {
    expect(() =>
      load(task(invoke, '${Wrong}'), { substitutions: {}, grants: { [invoke]: () => undefined } }),
    ).toThrow('placeholders without a value: Wrong; values without a placeholder: none');
  });

  it('refuses a value that nothing uses', () => {
    expect(() =>
      load(task(invoke, 'fixed'), { substitutions: { Left: 'x' }, grants: { [invoke]: () => undefined } }),
    ).toThrow('placeholders without a value: none; values without a placeholder: Left');
  });

  it('refuses an integration for which no permission is given', () => {
    expect(() => load(task('arn:aws:states:::sns:publish', 'x'), { substitutions: {}, grants: {} })).toThrow(
      'uses arn:aws:states:::sns:publish, for which no grant is given',
    );
  });

  it('finds tasks inside Map and Parallel, and placeholders anywhere', () => {
    const nested = {
      States: {
        Many: { Type: 'Map', ItemProcessor: task('arn:aws:states:::ecs:runTask.sync', '${A}') },
        Both: { Type: 'Parallel', Branches: [task(invoke, 'x/${B}/y')] },
      },
    };
    expect(integrationsOf(nested)).toEqual(new Set(['arn:aws:states:::ecs:runTask.sync', invoke]));
    expect(placeholdersOf(nested)).toEqual(new Set(['A', 'B']));
  });
});

describe('each state machine as deployed', () => {
  it.each(stateMachineNames)('%s ends by itself after three days', (name) => {
    const machine = resources.find(
      ({ type, properties }) =>
        type === 'AWS::StepFunctions::StateMachine' &&
        properties['StateMachineName'] === `holdfast-acme-${name}`,
    );
    const definition = JSON.parse(machine?.properties['DefinitionString']) as { TimeoutSeconds?: number };
    expect(definition.TimeoutSeconds).toBe(3 * 24 * 60 * 60);
  });

  it.each(stateMachineNames)('%s logs where no resource policy of the account has to name it', (name) => {
    const groups = resources
      .filter(({ type }) => type === 'AWS::Logs::LogGroup')
      .map(({ properties }) => properties['LogGroupName']);
    expect(groups).toContain(`/aws/vendedlogs/states/holdfast/acme/${name}`);
  });
});

describe('the role of each state machine', () => {
  const inRegion = 'us-east-1:111122223333';
  const cluster = `arn:aws:ecs:${inRegion}:cluster/holdfast-acme`;
  const runningTask = `arn:aws:ecs:${inRegion}:task/holdfast-acme/0123456789abcdef0123456789abcdef`;
  const rule = `arn:aws:events:${inRegion}:rule/StepFunctionsGetEventsForECSTaskRule`;
  /** What AWS demands for an integration; one without an entry here fails the test. */
  const demanded: Record<
    string,
    { action: string; resource: (names: Names) => string; context?: Record<string, string> }[]
  > = {
    [invoke]: [{ action: 'lambda:InvokeFunction', resource: ({ claimJob }) => claimJob }],
    'arn:aws:states:::ecs:runTask.sync': [
      {
        action: 'ecs:RunTask',
        resource: ({ definition }) => definition,
        context: { 'ecs:cluster': cluster },
      },
      { action: 'ecs:StopTask', resource: () => runningTask, context: { 'ecs:cluster': cluster } },
      { action: 'ecs:DescribeTasks', resource: () => runningTask, context: { 'ecs:cluster': cluster } },
      { action: 'events:PutRule', resource: () => rule },
      { action: 'events:PutTargets', resource: () => rule },
      { action: 'events:DescribeRule', resource: () => rule },
      {
        action: 'iam:PassRole',
        resource: ({ taskRole }) => taskRole,
        context: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
      },
    ],
  };
  interface Names {
    readonly claimJob: string;
    readonly definition: string;
    readonly taskRole: string;
  }
  const cases = {
    backup: { family: 'postgres-backup', machine: /^MachinesbackupRole/ },
    restore: { family: 'postgres-restore', machine: /^MachinesrestoreRole/ },
    'restore-test': { family: 'postgres-restore-test-18', machine: /^MachinesrestoretestRole/ },
  } as const;
  const machineRole = (name: keyof typeof cases) =>
    roleOf(resources, { region: 'us-east-1', id: cases[name].machine });
  /** As claim-job names it. */
  const taskRole = (name: keyof typeof cases, source: string, region = 'us-east-1') =>
    deploymentNames(plan).taskRoleArn(name, source, region);
  const namesOf = (name: keyof typeof cases): Names => ({
    claimJob: `arn:aws:lambda:${inRegion}:function:holdfast-acme-claim-job`,
    definition: `arn:aws:ecs:${inRegion}:task-definition/holdfast-acme-${cases[name].family}:${revision}`,
    taskRole: taskRole(name, 'shop-db'),
  });

  it.each(stateMachineNames)('has what the integrations of %s demand', async (name) => {
    const file = path.join(import.meta.dirname, '../../statemachines', `${name}.asl.json`);
    const integrations = integrationsOf(JSON.parse(fs.readFileSync(file, 'utf8')));
    expect(integrations.size).toBeGreaterThan(0);
    for (const integration of integrations) {
      expect(Object.keys(demanded)).toContain(integration);
      for (const { action, resource, context } of demanded[integration]!) {
        const attempt = { action, resource: resource(namesOf(name)), context };
        expect([action, await simulate(machineRole(name), attempt)]).toEqual([action, 'Allowed']);
      }
    }
  });

  it('runs the tasks of its own kind and in its own cluster only', async () => {
    const run = (name: keyof typeof cases, of: keyof typeof cases, where = cluster) =>
      simulate(machineRole(name), {
        action: 'ecs:RunTask',
        resource: namesOf(of).definition,
        context: { 'ecs:cluster': where },
      });
    expect(await run('backup', 'backup')).toBe('Allowed');
    expect(await run('backup', 'restore')).toBe('ImplicitlyDenied');
    expect(await run('restore', 'restore-test')).toBe('ImplicitlyDenied');
    expect(await run('restore-test', 'restore-test')).toBe('Allowed');
    expect(await run('backup', 'backup', `${cluster}-other`)).toBe('ImplicitlyDenied');
  });

  it.each(stateMachineNames)('runs for %s the revisions that are deployed, and those alone', async (name) => {
    const run = (definition: string) =>
      simulate(machineRole(name), {
        action: 'ecs:RunTask',
        resource: definition,
        context: { 'ecs:cluster': cluster },
      });
    const ordered = Object.entries(orderable()).filter(
      ([program]) => program.replace(/^postgres-|-\d+$/g, '') === name,
    );
    expect(ordered).toHaveLength(name === 'restore-test' ? postgresMajors.length : 1);
    for (const [, deployed] of ordered) {
      expect([deployed, await run(deployed)]).toEqual([deployed, 'Allowed']);
      const family = deployed.replace(/:\d+$/, '');
      const others = [revision + 1, revision - 1, `${revision}0`, `${revision}.1`].map(
        (n) => `${family}:${n}`,
      );
      for (const other of [...others, deployed.replace('us-east-1', 'us-west-2')])
        expect([other, await run(other)]).toEqual([other, 'ImplicitlyDenied']);
    }
  });

  /** What claim-job may order, as its environment says. */
  const orderable = () => {
    const claimJob = resources.find(
      ({ region, properties }) =>
        region === 'us-east-1' && properties['FunctionName'] === 'holdfast-acme-claim-job',
    );
    return claimJobSettingsSchema.parse(claimJob?.properties['Environment'].Variables)
      .HOLDFAST_TASK_DEFINITIONS;
  };

  it('gives claim-job each definition of the stack, by its revision', () => {
    const families = resources
      .filter(({ type, region }) => type === 'AWS::ECS::TaskDefinition' && region === 'us-east-1')
      .map(({ properties }) => `arn:aws:ecs:${inRegion}:task-definition/${properties['Family']}:${revision}`);
    expect(families).toHaveLength(2 + postgresMajors.length);
    expect(Object.values(orderable()).toSorted()).toEqual(families.toSorted());
  });

  const pass = (name: keyof typeof cases, role: string, service = 'ecs-tasks') =>
    simulate(machineRole(name), {
      action: 'iam:PassRole',
      resource: role,
      context: { 'iam:PassedToService': `${service}.amazonaws.com` },
    });

  it.each(stateMachineNames)('lets %s hand its tasks the role of each source, to ECS alone', async (name) => {
    for (const source of ['shop-db', 'till-db']) {
      expect(await pass(name, taskRole(name, source))).toBe('Allowed');
      expect(await pass(name, taskRole(name, source), 'lambda')).toBe('ImplicitlyDenied');
    }
  });

  it('lets it hand over no other role of the deployment, of the other Region or of the account', async () => {
    const definitions = resources.filter(({ type }) => type === 'AWS::ECS::TaskDefinition');
    const inDefinitions = definitions.flatMap(({ properties }) => [
      properties['TaskRoleArn'],
      properties['ExecutionRoleArn'],
    ]);
    const all = resources
      .filter(({ type }) => type === 'AWS::IAM::Role')
      .map(({ logicalId, properties }) => properties['RoleName'] ?? logicalId)
      .map((name: string) => `arn:aws:iam::111122223333:role/${name}`);
    for (const name of stateMachineNames) {
      const own = new Set([...inDefinitions, taskRole(name, 'shop-db'), taskRole(name, 'till-db')]);
      const others = [
        ...all,
        taskRole(name, 'shop-db', 'us-west-2'),
        taskRole(name, 'other-db'),
        'arn:aws:iam::111122223333:role/admin',
      ].filter((role) => !own.has(role));
      expect(others.length).toBeGreaterThan(20);
      for (const role of others)
        expect([name, role, await pass(name, role)]).toEqual([name, role, 'ImplicitlyDenied']);
    }
  });

  it.each(stateMachineNames)('runs the tasks of %s as the role that claim-job named', (name) => {
    const file = path.join(import.meta.dirname, '../../statemachines', `${name}.asl.json`);
    const { States } = JSON.parse(fs.readFileSync(file, 'utf8')) as { States: Record<string, any> };
    const runs = Object.values(States).filter(({ Resource }) => Resource?.includes(':ecs:runTask'));
    expect(runs.map(({ Arguments }) => Arguments.Overrides.TaskRoleArn)).toEqual([
      '{% $claim.taskRoleArn %}',
    ]);
  });

  it('finds each role that claim-job can name', () => {
    for (const region of ['us-east-1', 'us-west-2']) {
      for (const name of stateMachineNames) {
        for (const source of ['shop-db', 'till-db']) {
          const id = deploymentNames(plan).taskRole(name, source, region);
          const made = resources.filter(({ properties }) => properties['RoleName'] === id);
          expect([id, made.map((one) => one.region)]).toEqual([id, [region]]);
        }
      }
    }
  });
});
