import { DescribeTableCommand, DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import {
  type CustomResourceEvent,
  type CustomResourceResult,
  type LambdaContext,
  oncePermitted,
  respond,
} from './respond.ts';

const propertiesSchema = z.object({ TableName: z.string(), Regions: z.array(z.string()).min(1) });

/** A Region that is down must not hold up the deployment of the other. */
const patience = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3000, requestTimeout: 5000, throwOnRequestTimeout: true },
} as const;
/** About a minute and a half. */
const looks = 90;
const pauseMilliseconds = 1000;

/**
 * Protects a table from deletion in every Region that has it, once all of them do. In the table's own template this would
 * hold up the rollback of a first deployment that fails half-way: CloudFormation cannot delete what is protected.
 */
export async function handler(event: unknown, context?: LambdaContext): Promise<void> {
  await respond(event, protectTable, context);
}

async function protectTable(event: CustomResourceEvent): Promise<CustomResourceResult> {
  // The table outlives the stack, and so does its protection.
  if (event.RequestType === 'Delete') return { physicalId: event.PhysicalResourceId ?? 'none' };
  const { TableName, Regions } = propertiesSchema.parse(event.ResourceProperties);
  // oxlint-disable-next-line node/no-process-env -- Lambda's own setting, read where the function starts
  const own = process.env['AWS_REGION'] ?? '';
  await Promise.all(
    Regions.map(async (region) => {
      try {
        await protect(region, TableName);
      } catch (error) {
        if (event.RequestType === 'Create' || region === own || !isSilence(error)) throw error;
        // The table there was protected by an earlier deployment, and this one must pass while that Region is down.
        process.stderr.write(`table ${TableName}: ${region} does not answer, left as it is\n`);
      }
    }),
  );
  return { physicalId: `${TableName}/deletion-protection` };
}

/** A table that is being changed takes no other change, and one that took it shows it a moment later. */
async function protect(region: string, TableName: string): Promise<void> {
  const client = new DynamoDBClient({ region, ...patience });
  for (let tried = 1; ; tried += 1) {
    const { Table } = await oncePermitted(() => client.send(new DescribeTableCommand({ TableName })));
    const isProtected = Table?.DeletionProtectionEnabled === true;
    if (isProtected && Table?.TableStatus === 'ACTIVE') return;
    if (tried > looks)
      throw new Error(
        `table ${TableName} in ${region} is ${Table?.TableStatus} and ${isProtected ? '' : 'not '}protected after ${looks} looks`,
      );
    if (!isProtected) await order(client, TableName);
    await new Promise((resolve) => setTimeout(resolve, pauseMilliseconds));
  }
}

async function order(client: DynamoDBClient, TableName: string): Promise<void> {
  const change = new UpdateTableCommand({ TableName, DeletionProtectionEnabled: true });
  try {
    await oncePermitted(() => client.send(change));
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ResourceInUseException')) throw error;
  }
}

/** No answer, or one that says that the service is down: nothing that a right or a request could mend. */
function isSilence(error: unknown): boolean {
  const { $metadata, $fault } = error as {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $fault?: string;
  };
  return $metadata?.httpStatusCode === undefined ? $fault === undefined : $metadata.httpStatusCode >= 500;
}
