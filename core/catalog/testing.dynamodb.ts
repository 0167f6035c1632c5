import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { catalogTable } from './catalog-table.ts';

/** The table as the infrastructure makes it, for tests against a local DynamoDB. */
export async function createCatalogTable(client: DynamoDBClient, table: string): Promise<void> {
  const { partitionKey, sortKey, indexes } = catalogTable;
  const keys = new Set<string>([partitionKey, sortKey]);
  const schema = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    { AttributeName: range, KeyType: 'RANGE' as const },
  ];
  const GlobalSecondaryIndexes = Object.values(indexes).map((index) => {
    keys.add(index.partitionKey).add(index.sortKey);
    return {
      IndexName: index.name,
      KeySchema: schema(index.partitionKey, index.sortKey),
      Projection: { ProjectionType: 'ALL' as const },
    };
  });
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: schema(partitionKey, sortKey),
      AttributeDefinitions: [...keys].map((AttributeName) => ({
        AttributeName,
        AttributeType: 'S' as const,
      })),
      GlobalSecondaryIndexes,
    }),
  );
}
