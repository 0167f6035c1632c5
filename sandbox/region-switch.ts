import {
  ListExecutionsCommand,
  ListStateMachinesCommand,
  SFNClient,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';

/** Ends every running execution of a Region that is switched off: nothing there acts any more. */
export async function stopExecutions(endpoint: string, region: string): Promise<number> {
  const client = new SFNClient({
    endpoint,
    region,
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  });
  let stopped = 0;
  const machines = await client.send(new ListStateMachinesCommand({ maxResults: 1_000 }));
  for (const { stateMachineArn } of machines.stateMachines ?? []) {
    const running = await client.send(
      new ListExecutionsCommand({ stateMachineArn, statusFilter: 'RUNNING' }),
    );
    for (const { executionArn } of running.executions ?? []) {
      await client.send(
        new StopExecutionCommand({ executionArn, error: 'RegionOff', cause: `${region} was switched off` }),
      );
      stopped += 1;
    }
  }
  client.destroy();
  return stopped;
}
