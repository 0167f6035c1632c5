import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { HoldfastError } from '../../errors.ts';
import { type PostgresConnection, passwordOf } from './connection.ts';
import { translatePgError } from './pg-errors.ts';

export interface SessionOptions {
  readonly signal: AbortSignal;
  /** A query that takes longer means that the server stopped answering. */
  readonly answerSeconds: number;
  readonly applicationName?: string;
}

/** One connection of the driver, for catalogue queries; rows of tables never pass through it. */
export class Session {
  readonly #client: pg.Client;
  readonly #options: SessionOptions;
  readonly #onAbort: () => void;
  #closed = false;
  /** Why the server ended the connection while nothing was asked. */
  #lost: Error | undefined;

  private constructor(client: pg.Client, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    this.#onAbort = () => this.#destroy();
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** @throws SOURCE_UNREACHABLE, SOURCE_CREDENTIALS, SOURCE_TLS */
  static async connect(connection: PostgresConnection, options: SessionOptions): Promise<Session> {
    throwIfAborted(options.signal);
    const client = new pg.Client({
      host: connection.host,
      port: connection.port,
      database: connection.dbname,
      user: connection.username,
      // Never undefined: the driver would look for PGPASSWORD and ~/.pgpass.
      password: await passwordOf(connection),
      ssl: await tlsOptions(connection),
      application_name: options.applicationName ?? 'holdfast',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: 30_000,
    });
    const session = new Session(client, options);
    client.on('error', (error) => (session.#lost ??= error));
    try {
      await client.connect();
    } catch (error) {
      session.#destroy();
      throw translatePgError(error, `cannot connect to ${connection.host}:${connection.port}`);
    }
    try {
      await session.query(
        "SET search_path TO ''; SET datestyle TO 'ISO'; SET timezone TO 'UTC'; SET statement_timeout TO 0; SET lock_timeout TO 0; SET idle_in_transaction_session_timeout TO 0; SET row_security TO off; SET extra_float_digits TO 3",
      );
      return session;
    } catch (error) {
      session.#destroy();
      throw error;
    }
  }

  /** @throws SOURCE_UNREACHABLE when no answer comes in time */
  async query<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row[]> {
    return this.#answer(() =>
      this.#client.query<Row>(sql, parameters === undefined ? undefined : [...parameters]),
    );
  }

  /** Rows as arrays, of one statement: a second one behind a semicolon is refused by the server. */
  async single(sql: string): Promise<unknown[][]> {
    const config = { text: sql, rowMode: 'array' as const, queryMode: 'extended' };
    return this.#answer(() => this.#client.query<unknown[]>(config));
  }

  async #answer<Row>(ask: () => Promise<{ readonly rows: Row[] }>): Promise<Row[]> {
    throwIfAborted(this.#options.signal);
    const answer = ask();
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new HoldfastError(
            'SOURCE_UNREACHABLE',
            `the server did not answer for ${this.#options.answerSeconds} s`,
          ),
        );
        this.#destroy();
      }, this.#options.answerSeconds * 1000);
    });
    try {
      const result = await Promise.race([answer, silence]);
      return result.rows ?? [];
    } catch (error) {
      answer.catch(() => undefined);
      throwIfAborted(this.#options.signal);
      // The driver only says that it lost the connection; the server said why.
      throw translatePgError(this.#lost ?? error, 'query failed');
    } finally {
      clearTimeout(timer);
    }
  }

  /** The only row of a query. */
  async one<Row extends object>(sql: string, parameters?: readonly unknown[]): Promise<Row> {
    const [row] = await this.query<Row>(sql, parameters);
    if (row === undefined)
      throw new HoldfastError('INTERNAL', `a query that must give a row gave none: ${sql.slice(0, 80)}`);
    return row;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const timer = setTimeout(() => this.#destroy(), 2000);
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
    this.#destroy();
  }

  #destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    const { stream } = (this.#client as unknown as { connection: { stream: { destroy(): void } } })
      .connection;
    stream.destroy();
  }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the job was told to stop');
}

async function tlsOptions(connection: PostgresConnection): Promise<pg.ClientConfig['ssl']> {
  if (connection.tls === 'disable') return false;
  if (connection.tls === 'require') return { rejectUnauthorized: false };
  const ca =
    connection.caFile === undefined
      ? undefined
      : await readFile(connection.caFile, 'utf8').catch((cause: unknown) => {
          throw new HoldfastError(
            'SOURCE_TLS',
            `cannot read the file of trusted authorities ${connection.caFile}`,
            { cause },
          );
        });
  return connection.tls === 'verify-full' ? { ca } : { ca, checkServerIdentity: () => undefined };
}
