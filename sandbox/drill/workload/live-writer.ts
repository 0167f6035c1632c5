import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import pg from 'pg';
import type { CanaryKey } from '../../../core/canary/canary.ts';
import { openCanaryWriter } from '../../../core/engines/postgres/canary-table.ts';
import { HoldfastError, isHoldfastError } from '../../../core/errors.ts';
import { type PostgresServer, postgresBinDirectory } from '../../postgres/postgres-server.ts';
import { toolEnvironment } from './load-shop.ts';

/** Orders written while the drill runs are numbered from here on, one after another. */
export const firstLiveNumber = 1_000_000_000;

export interface Acknowledged {
  readonly number: number;
  /** When the server's answer to COMMIT was here. */
  readonly at: Date;
}

export interface LiveWriter {
  readonly acknowledged: readonly Acknowledged[];
  /**
   * Ends by itself when the database is killed; then this only waits.
   * @throws SANDBOX when a writer had stopped before: then less was written than the drill believes
   */
  stop(): Promise<void>;
}

/** Keeps writing: numbered orders, pgbench's transactions, and one canary a second, by the product's own writer. @throws CANARY_NOT_FOUND before it is installed */
export async function startLiveWriter(
  server: PostgresServer,
  database: string,
  canaryKey: CanaryKey,
): Promise<LiveWriter> {
  const writer = new Writer(server, database, canaryKey);
  await writer.start();
  return writer;
}

class Writer implements LiveWriter {
  readonly acknowledged: Acknowledged[] = [];
  readonly #server: PostgresServer;
  readonly #database: string;
  readonly #key: CanaryKey;
  readonly #loops: Promise<void>[] = [];
  #pgbench: ChildProcess | undefined;
  #stopping = false;
  #fault: Error | undefined;
  #canaries = 0;

  constructor(server: PostgresServer, database: string, key: CanaryKey) {
    this.#server = server;
    this.#database = database;
    this.#key = key;
  }

  async start(): Promise<void> {
    this.#begin(20, (client, turn) => this.#order(client, turn));
    this.#loops.push(this.#writeCanaries().catch((error: Error) => this.#fail(error)));
    this.#pgbench = spawn(
      path.join(postgresBinDirectory(this.#server.major), 'pgbench'),
      ['-n', '-c', '1', '-R', '25', '-T', '86400'],
      {
        env: toolEnvironment(this.#server, this.#database),
        stdio: 'ignore',
      },
    );
    this.#pgbench.once('error', (error) => this.#fail(error));
    this.#pgbench.once('exit', (code) => {
      // With the server gone pgbench ends too, a moment before or after the others notice.
      if (!this.#stopping && code === 0) this.#fail(new Error('pgbench ended by itself'));
    });
    // The first canary must be there before anything is promised.
    while (this.#canaries === 0 && !this.#stopping) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.#fault !== undefined) await this.stop();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#pgbench?.kill('SIGTERM');
    await Promise.all(this.#loops);
    if (this.#fault === undefined) return;
    throw new HoldfastError('SANDBOX', `a writer stopped before the disaster: ${this.#fault.message}`, {
      cause: this.#fault,
    });
  }

  #begin(everyMilliseconds: number, turn: (client: pg.Client, number: number) => Promise<void>): void {
    this.#loops.push(this.#repeat(everyMilliseconds, turn).catch((error: Error) => this.#fail(error)));
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#stopping = true;
  }

  /** One connection, one turn after another, until it is stopped or the server is gone. */
  async #repeat(
    everyMilliseconds: number,
    turn: (client: pg.Client, number: number) => Promise<void>,
  ): Promise<void> {
    const client = new pg.Client({ connectionString: this.#server.url(this.#database) });
    client.on('error', () => (this.#stopping = true));
    await client.connect();
    for (let number = 0; !this.#stopping; number += 1) {
      const begin = Date.now();
      try {
        await turn(client, number);
      } catch (error) {
        if (this.#stopping) break;
        // A connection that broke is the disaster itself; anything else is a fault of this writer.
        if (error instanceof pg.DatabaseError && error.code?.startsWith('57') !== true) throw error;
        this.#stopping = true;
      }
      await new Promise((resolve) =>
        setTimeout(resolve, Math.max(0, everyMilliseconds - (Date.now() - begin))),
      );
    }
    await client.end().catch(() => undefined);
  }

  async #order(client: pg.Client, turn: number): Promise<void> {
    const number = firstLiveNumber + turn;
    const [one, two] = [100 + (turn % 900), 250 + (turn % 700)];
    await client.query('begin');
    const { rows } = await client.query<{ id: string }>(
      `insert into shop.orders (tenant_id, customer_id, number, status, total, note, created_at)
       select tenant_id, id, $1, 'new', $2, 'written during the drill', now() from shop.customers where id = 1 returning id`,
      [number, ((one * 2 + two) / 100).toFixed(2)],
    );
    await client.query(
      `insert into shop.order_items (order_id, sku, quantity, price) values ($1, 'SKU-LIVE-1', 2, $2), ($1, 'SKU-LIVE-2', 1, $3)`,
      [rows[0]?.id, (one / 100).toFixed(2), (two / 100).toFixed(2)],
    );
    await client.query('commit');
    this.acknowledged.push({ number, at: new Date() });
  }

  async #writeCanaries(): Promise<void> {
    const connection = this.#server.connectionTo(this.#database);
    const { signal } = new AbortController();
    const writer = await openCanaryWriter({ connection, signal }, this.#key);
    try {
      while (!this.#stopping) {
        await writer.write(new Date());
        this.#canaries += 1;
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    } catch (error) {
      // The disaster itself.
      if (!isHoldfastError(error, 'SOURCE_UNREACHABLE')) throw error;
      this.#stopping = true;
    } finally {
      await writer.close();
    }
  }
}
