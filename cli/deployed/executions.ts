import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { HoldfastError } from '../../core/errors.ts';
import { clientSettings } from './deployment.ts';

/** Starts a state machine as a person would in the AWS console. */
export async function startExecution(order: {
  readonly region: string;
  readonly stateMachineArn: string;
  readonly input: unknown;
}): Promise<string> {
  const client = new SFNClient({ region: order.region, ...clientSettings });
  const input = JSON.stringify(order.input);
  const { executionArn } = await client.send(
    new StartExecutionCommand({ stateMachineArn: order.stateMachineArn, input }),
  );
  if (executionArn === undefined) throw new HoldfastError('INTERNAL', 'Step Functions named no execution');
  return executionArn;
}

export interface ExecutionState {
  readonly status: string;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

/** Reads how executions stand. */
export function executionReader(region: string): (executionArn: string) => Promise<ExecutionState> {
  const client = new SFNClient({ region, ...clientSettings });
  return async (executionArn) => {
    const { status, error, cause } = await client.send(new DescribeExecutionCommand({ executionArn }));
    return { status: status ?? 'RUNNING', error, cause };
  };
}
