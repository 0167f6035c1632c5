import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { ulid } from 'ulid';
import { clientSettings } from './deployment.ts';

/** Starts a state machine as a person would in the AWS console. Its name makes it the same execution when a reply is lost and the call is sent again. */
export async function startExecution(order: {
  readonly region: string;
  readonly stateMachineArn: string;
  readonly input: unknown;
}): Promise<string> {
  const { region, stateMachineArn } = order;
  const client = new SFNClient({ region, ...clientSettings });
  const name = `cli-${ulid()}`;
  const input = JSON.stringify(order.input);
  try {
    await client.send(new StartExecutionCommand({ stateMachineArn, name, input }));
  } catch (error) {
    // The reply was lost, and the execution ended before the call was sent again.
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
  return `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
}

export interface ExecutionState {
  readonly status: string;
  /** As the state machine gave it to claim-job. */
  readonly startedAt: Date;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

/** Reads how executions stand. */
export function executionReader(region: string): (executionArn: string) => Promise<ExecutionState> {
  const client = new SFNClient({ region, ...clientSettings });
  return async (executionArn) => {
    const { status, startDate, error, cause } = await client.send(
      new DescribeExecutionCommand({ executionArn }),
    );
    // Every execution has it; the SDK's types do not know.
    if (startDate === undefined) throw new Error(`${executionArn} was described without its start`);
    return { status: status ?? 'RUNNING', startedAt: startDate, error, cause };
  };
}
