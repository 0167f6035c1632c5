import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { type Case, filledDefinition, machineNames, readCases } from './machines.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-cases-'));
let aws: LocalAws;
let client: SFNClient;

beforeAll(async () => {
  const config = path.join(directory, 'mocks.json');
  fs.writeFileSync(config, JSON.stringify(mockConfig()));
  // Waits and pauses between retries take no time; how often was tried is read from the history.
  aws = await startAws({ settings: { SFN_MOCK_CONFIG: config, SFN_WAIT_SCALE: '0' } });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  client = new SFNClient({ endpoint: aws.endpoint, region: 'us-east-1', credentials });
  for (const name of machineNames) {
    const roleArn = 'arn:aws:iam::111122223333:role/test';
    await client.send(new CreateStateMachineCommand({ name, definition: filledDefinition(name), roleArn }));
  }
});

afterAll(async () => {
  client?.destroy();
  await aws?.stop();
  fs.rmSync(directory, { recursive: true, force: true });
});

/** The cases' results as the emulator reads them: by state, the n-th for the n-th time the state is entered. */
function mockConfig() {
  const StateMachines: Record<string, { TestCases: Record<string, Record<string, string>> }> = {};
  const MockedResponses: Record<string, Record<string, unknown>> = {};
  for (const name of machineNames) {
    const TestCases: Record<string, Record<string, string>> = {};
    readCases(name).forEach(({ results }, n) => {
      const states: Record<string, string> = {};
      for (const [state, outcomes] of Object.entries(results)) {
        const key = `${name}-${n}-${state}`;
        states[state] = key;
        MockedResponses[key] = Object.fromEntries(
          outcomes.map((outcome, entry) => [
            String(entry),
            outcome.throw === undefined
              ? { Return: outcome.return }
              : { Throw: { Error: outcome.throw.error, Cause: outcome.throw.cause } },
          ]),
        );
      }
      TestCases[`case-${n}`] = states;
    });
    StateMachines[name] = { TestCases };
  }
  return { StateMachines, MockedResponses };
}

async function run(machine: string, n: number, input: unknown) {
  const stateMachineArn = `arn:aws:states:us-east-1:111122223333:stateMachine:${machine}#case-${n}`;
  const { executionArn } = await client.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
  );
  for (;;) {
    const execution = await client.send(new DescribeExecutionCommand({ executionArn }));
    if (execution.status !== 'RUNNING') return { execution, ...(await history(executionArn)) };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function history(executionArn: string | undefined) {
  const { events = [] } = await client.send(
    new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
  );
  const walked: string[] = [];
  const failures: Record<string, number> = {};
  for (const event of events) {
    if (event.stateEnteredEventDetails?.name !== undefined) walked.push(event.stateEnteredEventDetails.name);
    const current = walked.at(-1);
    if (event.type === 'TaskFailed' && current !== undefined)
      failures[current] = (failures[current] ?? 0) + 1;
  }
  return { walked, failures };
}

/** What of an execution a case speaks about, side by side with what it says. */
async function compare(machine: string, one: Case, n: number) {
  const { execution, walked, failures } = await run(machine, n, one.input);
  const { status, error, output } = execution;
  const found = { walked, status, ...(status === 'FAILED' ? { error } : JSON.parse(output ?? '{}')) };
  const wanted = {
    walked: one.path,
    status: one.end.status,
    ...(one.end.status === 'FAILED' ? { error: one.end.error } : (one.end.output as object)),
  };
  return { found, wanted, failures, cause: execution.cause ?? '' };
}

describe.each(machineNames)('statemachines/%s.asl.json on the local AWS', (machine) => {
  it.concurrent.each(readCases(machine).map((one, n) => [one.name, one, n] as const))(
    '%s',
    async (_name, one, n) => {
      const { found, wanted, failures, cause } = await compare(machine, one, n);
      expect(found).toMatchObject(wanted);
      expect(failures).toMatchObject(one.tries ?? {});
      expect(cause).toContain(one.end.cause ?? '');
    },
  );
});
