import { DescribeTableCommand, DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import { type CustomResourceEvent, type CustomResourceResult, oncePermitted, respond } from './respond.ts';

const propertiesSchema = z.object({ TableName: z.string(), Regions: z.array(z.string()).min(1) });

/**
 * Protects a table from deletion in every Region that has it, once all of them do. In the table's own template this would
 * hold up the rollback of a first deployment that fails half-way: CloudFormation cannot delete what is protected.
 */
export async function handler(event: unknown): Promise<void> {
  await respond(event, protectTable);
}

async function protectTable(event: CustomResourceEvent): Promise<CustomResourceResult> {
  // The table outlives the stack, and so does its protection.
  if (event.RequestType === 'Delete') return { physicalId: event.PhysicalResourceId ?? 'none' };
  const { TableName, Regions } = propertiesSchema.parse(event.ResourceProperties);
  for (const region of Regions) {
    const client = new DynamoDBClient({ region, maxAttempts: 8 });
    if (await isProtected(client, TableName)) continue;
    const order = new UpdateTableCommand({ TableName, DeletionProtectionEnabled: true });
    await oncePermitted(() => client.send(order));
    if (!(await isProtected(client, TableName)))
      throw new Error(`table ${TableName} in ${region} is not protected after it was told to be`);
  }
  return { physicalId: `${TableName}/deletion-protection` };
}

async function isProtected(client: DynamoDBClient, TableName: string): Promise<boolean> {
  const { Table } = await oncePermitted(() => client.send(new DescribeTableCommand({ TableName })));
  return Table?.DeletionProtectionEnabled === true;
}
