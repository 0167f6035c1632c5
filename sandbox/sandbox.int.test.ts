import { CloudWatchClient, DescribeAlarmsCommand, PutMetricAlarmCommand } from '@aws-sdk/client-cloudwatch';
import { CreateFunctionCommand, InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from './aws/testing.ts';
import { listContainers, type Sandbox, startSandbox } from './sandbox.ts';

let sandbox: Sandbox;
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const at = (region: string) => ({ region, endpoint: sandbox.endpoint, credentials, maxAttempts: 1 });
const role = 'arn:aws:iam::111122223333:role/any';
const shell = ['/bin/sh', '-c'];

beforeAll(async () => {
  sandbox = await startSandbox({ programs: { 'example/shell': shell } });
  for (const region of ['us-east-1', 'us-west-2']) {
    const ecs = new ECSClient(at(region));
    await ecs.send(new CreateClusterCommand({ clusterName: 'c' }));
    await ecs.send(
      new RegisterTaskDefinitionCommand({
        family: 'shell',
        networkMode: 'awsvpc',
        containerDefinitions: [
          {
            name: 'main',
            image: 'example/shell',
            essential: true,
            environment: [{ name: 'A', value: 'static' }],
          },
        ],
      }),
    );
  }
});
afterAll(() => sandbox.down());

const overrides = (script: string) => ({ containerOverrides: [{ name: 'main', command: [script] }] });

async function runMachine(region: string, definition: object, wait = true) {
  const sfn = new SFNClient(at(region));
  const name = `m${Date.now()}${Math.floor(Math.random() * 1e6)}`;
  const { stateMachineArn } = await sfn.send(
    new CreateStateMachineCommand({
      name,
      roleArn: role,
      definition: JSON.stringify({ QueryLanguage: 'JSONata', ...definition }),
    }),
  );
  const { executionArn } = await sfn.send(new StartExecutionCommand({ stateMachineArn, input: '{}' }));
  if (!wait) return { sfn, executionArn };
  const ended = await waitFor(async () => {
    const now = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (now.status === 'RUNNING') throw new Error('still running');
    return now;
  });
  return { sfn, executionArn, ended };
}

const runTask = (script: string) => ({
  StartAt: 'Run',
  States: {
    Run: {
      Type: 'Task',
      Resource: 'arn:aws:states:::ecs:runTask.sync',
      Arguments: {
        Cluster: 'c',
        TaskDefinition: 'shell',
        LaunchType: 'FARGATE',
        Overrides: { ContainerOverrides: [{ Name: 'main', Command: [script] }] },
      },
      Catch: [{ ErrorEquals: ['States.TaskFailed'], Output: '{% $states.errorOutput %}', Next: 'Caught' }],
      End: true,
    },
    Caught: { Type: 'Pass', End: true },
  },
});

describe('step_functions_run_task_sync', () => {
  it('answers in PascalCase when the container ends with 0', async () => {
    const { ended } = await runMachine('us-east-1', runTask('exit 0'));
    expect(ended).toMatchObject({ status: 'SUCCEEDED' });
    expect(JSON.parse(ended?.output ?? '')).toMatchObject({
      StopCode: 'EssentialContainerExited',
      Containers: [{ ExitCode: 0 }],
    });
  });

  it('fails with States.TaskFailed and the exit code in its cause when it ends with another', async () => {
    const { ended } = await runMachine('us-east-1', runTask('exit 3'));
    const caught = JSON.parse(ended?.output ?? '') as { Error: string; Cause: string };
    expect(caught.Error).toBe('States.TaskFailed');
    expect(JSON.parse(caught.Cause)).toMatchObject({ Containers: [{ ExitCode: 3 }] });
  });
});

describe('step_functions_run_task_sync, told to stop', () => {
  it.each([
    ['StopExecution', 60, 'ABORTED'],
    ['a timeout', 1, 'FAILED'],
  ] as const)('ends the task with SIGTERM after %s', async (what, TimeoutSeconds, status) => {
    const file = path.join(os.tmpdir(), `holdfast-stop-${process.pid}-${TimeoutSeconds}`);
    const machine = runTask(`trap 'echo stopped > ${file}; exit 1' TERM; echo up > ${file}; sleep 60 & wait`);
    const { Run } = machine.States;
    const definition = { ...machine, States: { Run: { ...Run, Catch: [], TimeoutSeconds } } };
    const { sfn, executionArn } = await runMachine('us-east-1', definition, false);
    const written = async (text: string) => {
      await waitFor(async () => {
        if (fs.readFileSync(file, 'utf8').trim() !== text) throw new Error(`not ${text} yet`);
      });
    };
    await written('up');
    if (what === 'StopExecution') await sfn.send(new StopExecutionCommand({ executionArn }));
    await written('stopped');
    fs.rmSync(file);
    const ended = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    expect(ended.status).toBe(status);
  });
});

describe('ecs_containers_run', () => {
  it('gives the process its Region, the router and nothing of this shell', async () => {
    const file = path.join(os.tmpdir(), `holdfast-env-${process.pid}`);
    await runMachine('us-west-2', runTask(`env > ${file}`));
    const lines = fs.readFileSync(file, 'utf8').trim().split('\n');
    fs.rmSync(file);
    expect(lines).toContain('AWS_REGION=us-west-2');
    expect(lines).toContain(`AWS_ENDPOINT_URL=${sandbox.endpoint}`);
    expect(lines).toContain('A=static');
    expect(lines.some((line) => line.startsWith('VITEST'))).toBe(false);
  });

  it('ends a stopped task with SIGTERM and shows 143', async () => {
    const ecs = new ECSClient(at('us-east-1'));
    const { tasks } = await ecs.send(
      new RunTaskCommand({ cluster: 'c', taskDefinition: 'shell', overrides: overrides('sleep 60') }),
    );
    const task = tasks?.[0]?.taskArn ?? '';
    await waitFor(async () => {
      const now = await ecs.send(new DescribeTasksCommand({ cluster: 'c', tasks: [task] }));
      if (now.tasks?.[0]?.lastStatus !== 'RUNNING') throw new Error(`task is ${now.tasks?.[0]?.lastStatus}`);
    });
    await ecs.send(new StopTaskCommand({ cluster: 'c', task }));
    const { tasks: after } = await ecs.send(new DescribeTasksCommand({ cluster: 'c', tasks: [task] }));
    expect(after?.[0]).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      containers: [{ exitCode: 143 }],
    });
  });
});

async function createFunction(name: string, body: string): Promise<LambdaClient> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-fn-'));
  fs.writeFileSync(path.join(directory, 'index.mjs'), `export const handler = async (event) => { ${body} };`);
  execFileSync('python3', ['-m', 'zipfile', '-c', 'f.zip', 'index.mjs'], { cwd: directory });
  const lambda = new LambdaClient(at('us-east-1'));
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName: name,
      Runtime: 'nodejs24.x' as never,
      Handler: 'index.handler',
      Role: role,
      Code: { ZipFile: fs.readFileSync(path.join(directory, 'f.zip')) },
    }),
  );
  fs.rmSync(directory, { recursive: true });
  return lambda;
}

describe('lambda_error_names', () => {
  it('lets Catch match the name of what the function threw', async () => {
    await createFunction('throws', 'const e = new Error("late"); e.name = "ReplicationLate"; throw e;');
    const { ended } = await runMachine('us-east-1', {
      StartAt: 'Call',
      States: {
        Call: {
          Type: 'Task',
          Resource: 'arn:aws:states:::lambda:invoke',
          Arguments: { FunctionName: 'throws', Payload: {} },
          Catch: [{ ErrorEquals: ['ReplicationLate'], Output: '{% $states.errorOutput %}', Next: 'Caught' }],
          End: true,
        },
        Caught: { Type: 'Pass', End: true },
      },
    });
    expect(ended?.status).toBe('SUCCEEDED');
    expect(JSON.parse(ended?.output ?? '')).toMatchObject({ Error: 'ReplicationLate' });
  });
});

describe('cloudwatch_alarms', () => {
  it('ring for the metric of their own dimensions, which a function wrote into its log', async () => {
    const cloudWatch = new CloudWatchClient(at('us-east-1'));
    const alarm = (AlarmName: string, more: object) =>
      cloudWatch.send(
        new PutMetricAlarmCommand({
          AlarmName,
          Namespace: 'Shop',
          MetricName: 'failed',
          Statistic: 'Sum',
          ComparisonOperator: 'GreaterThanThreshold',
          Threshold: 1,
          Period: 300,
          EvaluationPeriods: 1,
          TreatMissingData: 'notBreaching',
          ...more,
        }),
      );
    const of = (...values: string[]) =>
      values.map((Value, index) => ({ Name: ['plan', 'source'][index], Value }));
    await alarm('own', { Dimensions: of('p', 'a') });
    await alarm('not above', { Dimensions: of('p', 'a'), Threshold: 2 });
    await alarm('other source', { Dimensions: of('p', 'b') });
    await alarm('whole plan', { Dimensions: of('p') });
    await alarm('three periods', { Dimensions: of('p', 'a'), EvaluationPeriods: 3 });
    const silent = { Dimensions: of('p', 'b'), EvaluationPeriods: 3, TreatMissingData: 'breaching' };
    await alarm('silence', silent);
    const lambda = await createFunction('measures', 'console.log(JSON.stringify(event))');
    const line = {
      _aws: {
        Timestamp: Date.now(),
        CloudWatchMetrics: [
          {
            Namespace: 'Shop',
            Dimensions: [['plan', 'source']],
            Metrics: [{ Name: 'failed', Unit: 'Count' }],
          },
        ],
      },
      plan: 'p',
      source: 'a',
      failed: [1, 1],
    };
    await lambda.send(new InvokeCommand({ FunctionName: 'measures', Payload: JSON.stringify(line) }));
    const { MetricAlarms = [] } = await cloudWatch.send(new DescribeAlarmsCommand({}));
    expect(
      Object.fromEntries(MetricAlarms.map(({ AlarmName, StateValue }) => [AlarmName, StateValue])),
    ).toEqual({
      own: 'ALARM',
      'not above': 'OK',
      'other source': 'OK',
      'whole plan': 'OK',
      'three periods': 'OK',
      silence: 'ALARM',
    });
  });
});

describe('step_functions_start', () => {
  it('answers a second start of the same name and input with the running execution', async () => {
    const sfn = new SFNClient(at('us-east-1'));
    const definition = JSON.stringify({
      StartAt: 'W',
      States: { W: { Type: 'Wait', Seconds: 3, End: true } },
    });
    const { stateMachineArn } = await sfn.send(
      new CreateStateMachineCommand({ name: 'twice', roleArn: role, definition }),
    );
    const first = await sfn.send(new StartExecutionCommand({ stateMachineArn, name: 'n', input: '{"a":1}' }));
    const second = await sfn.send(
      new StartExecutionCommand({ stateMachineArn, name: 'n', input: '{ "a": 1 }' }),
    );
    expect(second.executionArn).toBe(first.executionArn);
    await expect(
      sfn.send(new StartExecutionCommand({ stateMachineArn, name: 'n', input: '{"a":2}' })),
    ).rejects.toMatchObject({
      name: 'ExecutionAlreadyExists',
    });
  });
});

describe('killRegion', () => {
  it('kills its tasks, stops its executions, leaves the other Region alone, and comes back', async () => {
    const east = await runMachine('us-east-1', runTask('sleep 300'), false);
    const west = await runMachine('us-west-2', runTask('sleep 4'), false);
    const containers = path.join(sandbox.directory, 'containers');
    const victim = await waitFor(async () => {
      const found = listContainers(containers).find((c) => c.region === 'us-east-1' && isAlive(c.pid));
      if (found === undefined) throw new Error('no container yet');
      return found;
    });
    await sandbox.killRegion('us-east-1');
    await waitFor(async () => {
      if (isAlive(victim.pid)) throw new Error('still alive');
    });
    await expect(east.sfn.send(new DescribeExecutionCommand(east))).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    await sandbox.reviveRegion('us-east-1');
    await expect(
      new SFNClient(at('us-east-1')).send(new DescribeExecutionCommand(east)),
    ).resolves.toMatchObject({ status: 'ABORTED' });
    const other = await waitFor(async () => {
      const now = await west.sfn.send(new DescribeExecutionCommand(west));
      if (now.status === 'RUNNING') throw new Error('still running');
      return now;
    });
    expect(other.status).toBe('SUCCEEDED');
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
