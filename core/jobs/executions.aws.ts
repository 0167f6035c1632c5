import { DescribeExecutionCommand, ExecutionDoesNotExist, type SFNClient } from '@aws-sdk/client-sfn';

/**
 * False only when the execution is known to have ended. Owners that are no execution, and executions of another Region,
 * which may be cut off from here, count as running: their lease decides.
 */
export async function isExecutionRunning(client: SFNClient, region: string, owner: string): Promise<boolean> {
  const [, , service, ownerRegion] = owner.split(':');
  if (service !== 'states' || ownerRegion !== region) return true;
  try {
    const { status } = await client.send(new DescribeExecutionCommand({ executionArn: owner }));
    return status === 'RUNNING' || status === 'PENDING_REDRIVE';
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return false;
    throw error;
  }
}
