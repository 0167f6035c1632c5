import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import { catalogTable } from '../../../core/catalog/catalog-table.ts';
import { deploymentNames } from '../../../core/plan/names.ts';
import { type Drill, made } from '../drill-context.ts';
import { clientSettings } from './run-machine.ts';

/**
 * Empties the standby Region's catalogue, so that what is rebuilt afterwards can only have come from the vault. Returns how
 * many records are gone.
 */
export async function loseCatalogue(drill: Drill): Promise<number> {
  const plan = made(drill.state.plan, 'plan');
  const { partitionKey, sortKey } = catalogTable;
  const raw = new DynamoDBClient(clientSettings(drill, plan.regions.standby));
  const client = DynamoDBDocumentClient.from(raw);
  const TableName = deploymentNames(plan).table;
  let lost = 0;
  for await (const page of paginateScan({ client }, { TableName })) {
    for (const item of page.Items ?? []) {
      const Key = { [partitionKey]: item[partitionKey], [sortKey]: item[sortKey] };
      await client.send(new DeleteCommand({ TableName, Key }));
      lost += 1;
    }
  }
  raw.destroy();
  return lost;
}
