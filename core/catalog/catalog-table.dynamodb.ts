import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  GetCommand,
  QueryCommand,
  TransactWriteCommand,
} from '@aws-sdk/lib-dynamodb';
import pRetry from 'p-retry';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { cancellationReasons, isConditionFailure, translateDynamoError } from './catalog-errors.dynamodb.ts';
import { type CatalogItem, type ItemKey, readableItemVersions } from './catalog-items.ts';
import { catalogTable } from './catalog-table.ts';

export interface Condition {
  /** May use `#r` (record), `#owner`, `#until`, `#version`. */
  readonly expression: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

export type Write =
  | { readonly put: CatalogItem<unknown>; readonly condition: Condition }
  | { readonly delete: ItemKey; readonly condition?: Condition }
  | { readonly check: ItemKey; readonly condition: Condition };

const names: Readonly<Record<string, string>> = {
  '#r': 'record',
  '#owner': 'owner',
  '#until': 'until',
  '#version': 'version',
};

/** Reads, conditional writes and keyed queries on the catalogue's table; knows items, not what they mean. */
export class CatalogTableClient {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
    this.#table = table;
  }

  async get<R>(key: ItemKey): Promise<CatalogItem<R> | undefined> {
    const answer = await this.#send(() =>
      this.#client.send(new GetCommand({ TableName: this.#table, Key: { ...key }, ConsistentRead: true })),
    );
    const item = answer.Item as CatalogItem<R> | undefined;
    if (item !== undefined) requireReadable(item);
    return item;
  }

  /** As {@link transact}, with a lost condition told as CONDITION_FAILED. */
  async write(writes: readonly Write[]): Promise<void> {
    try {
      await this.transact(writes);
    } catch (error) {
      if (!isConditionFailure(error)) throw error;
      throw new HoldfastError('CONDITION_FAILED', 'another writer changed the record first', {
        cause: error,
      });
    }
  }

  /** All or nothing. A refusal comes as the SDK's own error, so that the caller can tell which condition failed. */
  async transact(writes: readonly Write[]): Promise<void> {
    if (writes.length === 0) return;
    const TransactItems = writes.map((write) => {
      if ('delete' in write) {
        const condition = write.condition && this.#condition(write.condition);
        return { Delete: { TableName: this.#table, ...condition, Key: write.delete } };
      }
      const condition = this.#condition(write.condition);
      if ('put' in write) return { Put: { ...condition, Item: write.put } };
      return { ConditionCheck: { ...condition, Key: write.check } };
    });
    await this.#send(() => this.#client.send(new TransactWriteCommand({ TransactItems })));
  }

  /** Reads and writes again when somebody else was faster in between; eight tries in about two seconds. */
  async retryOnConflict<T>(attempt: () => Promise<T>): Promise<T> {
    return pRetry(
      async () => {
        try {
          return await attempt();
        } catch (error) {
          if (!isConditionFailure(error)) throw error;
          throw new HoldfastError('CONDITION_FAILED', 'another writer changed the record first', {
            cause: error,
          });
        }
      },
      {
        retries: 7,
        minTimeout: 20,
        maxTimeout: 500,
        randomize: true,
        shouldRetry: ({ error }) => isHoldfastError(error, 'CONDITION_FAILED'),
      },
    );
  }

  /**
   * The newest records of one kind, of one source or of all: one keyed query per page, never a scan. What this version cannot
   * read is passed over, so that one record of a newer version hides no other.
   */
  async newest<R>(query: NewestQuery, isReadable: (record: unknown) => boolean): Promise<R[]> {
    const records: R[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const answer = await this.#send(() =>
        this.#client.send(this.#queryCommand(query, records.length, from)),
      );
      for (const item of (answer.Items ?? []) as CatalogItem<R>[]) {
        if (isOfReadableVersion(item) && isReadable(item.record)) records.push(item.record);
      }
      from = answer.LastEvaluatedKey;
    } while (from !== undefined && records.length < query.limit);
    return records;
  }

  #queryCommand(query: NewestQuery, have: number, from: Record<string, unknown> | undefined): QueryCommand {
    const page = {
      TableName: this.#table,
      ScanIndexForward: false,
      Limit: query.limit - have,
      ...(from !== undefined && { ExclusiveStartKey: from }),
    };
    if ('partition' in query) {
      const { partition, prefix, before } = query;
      const start = from ?? (before !== undefined && { pk: partition, sk: `${prefix}${before}` });
      return new QueryCommand({
        ...page,
        ConsistentRead: true,
        KeyConditionExpression: '#p = :p AND begins_with(#s, :prefix)',
        ExpressionAttributeNames: { '#p': catalogTable.partitionKey, '#s': catalogTable.sortKey },
        ExpressionAttributeValues: { ':p': partition, ':prefix': prefix },
        ...(start !== false && { ExclusiveStartKey: start }),
      });
    }
    const { index, value, before } = query;
    return new QueryCommand({
      ...page,
      IndexName: index.name,
      KeyConditionExpression: `#p = :p${before === undefined ? '' : ' AND #s < :before'}`,
      ExpressionAttributeNames: {
        '#p': index.partitionKey,
        ...(before !== undefined && { '#s': index.sortKey }),
      },
      ExpressionAttributeValues: { ':p': value, ...(before !== undefined && { ':before': before }) },
    });
  }

  #condition(condition: Condition) {
    const used = Object.entries(names).filter(([name]) => condition.expression.includes(name));
    const values = condition.values ?? {};
    return {
      TableName: this.#table,
      ConditionExpression: condition.expression,
      ...(used.length > 0 && { ExpressionAttributeNames: Object.fromEntries(used) }),
      ...(Object.keys(values).length > 0 && { ExpressionAttributeValues: values }),
    };
  }

  async #send<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      // Throttled transactions come as cancellations; nothing was refused, so they are an outage to the caller.
      const reasons = cancellationReasons(error);
      if (reasons?.some((code) => code === 'ThrottlingError' || code === 'ProvisionedThroughputExceeded')) {
        throw new HoldfastError('CATALOG_UNAVAILABLE', `the catalogue ${this.#table} is throttled`, {
          cause: error,
        });
      }
      throw translateDynamoError(error, this.#table);
    }
  }
}

export type NewestQuery = PartitionQuery | IndexQuery;

/** Of one source: in its partition, the sort keys that begin alike. */
export interface PartitionQuery {
  readonly partition: string;
  readonly prefix: string;
  readonly limit: number;
  /** The rest of the sort key to go on from. */
  readonly before?: string;
}

/** Of all sources. */
export interface IndexQuery {
  readonly index: { readonly name: string; readonly partitionKey: string; readonly sortKey: string };
  readonly value: string;
  readonly limit: number;
  readonly before?: string;
}

function isOfReadableVersion({ schemaVersion }: CatalogItem<unknown>): boolean {
  const { oldest, newest } = readableItemVersions;
  return schemaVersion >= oldest && schemaVersion <= newest;
}

function requireReadable(item: CatalogItem<unknown>): void {
  if (isOfReadableVersion(item)) return;
  const { schemaVersion } = item;
  const { oldest, newest } = readableItemVersions;
  throw new HoldfastError(
    'NOT_SUPPORTED_YET',
    `the catalogue holds an item of schema version ${schemaVersion}, this program reads ${oldest} to ${newest}`,
    { hint: 'was the deployment made by a newer version of Holdfast?' },
  );
}
