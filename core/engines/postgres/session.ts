import pg from 'pg';
import { HoldfastError } from '../../errors.ts';
import { type PostgresConnection, passwordOf } from './connection.ts';
import { speakByteText } from './byte-text.ts';
import { CopyInQuery, sendRows } from './copy-in.ts';
import { CopyOutFilter, RowBlocks } from './copy-out.ts';
import type { DriverConnection } from './driver-connection.ts';
import { translatePgError } from './pg-errors.ts';
import { demandOfTls, tlsOptions } from './tls.ts';

export interface SessionOptions {
  readonly signal: AbortSignal;
  /** A query that takes longer means that the server stopped answering. */
  readonly answerSeconds: number;
  readonly applicationName?: string;
  /** What the server warned of. */
  readonly onWarning?: (message: string) => void;
}

/** Rows on their way out of a table. */
export interface CopyOut {
  /** COPY's text in blocks; each is good until the next is asked for. Whoever stops early loses the session. */
  readonly blocks: AsyncIterable<Buffer>;
  /** Rows that the server sent, once `blocks` ended. */
  readonly rows: () => number;
}

/** One connection of the driver: for queries, and for the rows of tables as COPY's text, which is never looked into. */
export class Session {
  readonly #client: pg.Client;
  #copyOut: CopyOutFilter | undefined;
  readonly #options: SessionOptions;
  readonly #onAbort: () => void;
  #closed = false;
  /** Why the server ended the connection while nothing was asked. */
  #lost: Error | undefined;

  private constructor(client: pg.Client, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    this.#onAbort = () => this.destroy();
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
      ...(connection.options === undefined ? {} : { options: connection.options }),
      application_name: options.applicationName ?? 'holdfast',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: 30_000,
    });
    const session = new Session(client, options);
    let encoding = '';
    session.#connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
      if (parameterName === 'server_encoding') encoding = parameterValue;
    });
    client.on('error', (error) => (session.#lost ??= error));
    client.on('notice', ({ severity, message = '' }) => {
      if (severity === 'WARNING') options.onWarning?.(message);
    });
    try {
      await client.connect();
    } catch (error) {
      session.destroy();
      throw await demandOfTls(
        translatePgError(error, `cannot connect to ${connection.host}:${connection.port}`),
        connection,
      );
    }
    try {
      if (encoding === 'SQL_ASCII') {
        await session.query("SET client_encoding TO 'SQL_ASCII'");
        speakByteText(session.#connection);
      }
      await session.query(
        "SET search_path TO ''; SET datestyle TO 'ISO'; SET timezone TO 'UTC'; SET statement_timeout TO 0; SET lock_timeout TO 0; SET idle_in_transaction_session_timeout TO 0; SET idle_session_timeout TO 0; SET row_security TO off; SET extra_float_digits TO 3",
      );
      return session;
    } catch (error) {
      session.destroy();
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

  /** Statements that may take as long as they need. */
  async run(sql: string, doing = 'statement failed'): Promise<void> {
    throwIfAborted(this.#options.signal);
    await this.#client.query(sql).catch((error: unknown) => this.#fail(error, doing));
  }

  /** Runs COPY … TO STDOUT. @throws SOURCE_UNREACHABLE when the server falls silent */
  copyOut(sql: string, doing = 'COPY failed'): CopyOut {
    let rows = 0;
    const blocks = async function* read(this: Session): AsyncGenerator<Buffer> {
      throwIfAborted(this.#options.signal);
      const { stream } = this.#connection;
      const filter = (this.#copyOut ??= new CopyOutFilter(stream));
      const arriving = new RowBlocks(stream, this.#options.answerSeconds * 1000);
      filter.rows = arriving;
      let isRead = false;
      this.#client.query(sql).then(
        ({ rowCount }) => {
          rows = rowCount ?? 0;
          arriving.end();
        },
        (error: unknown) => arriving.fail(error),
      );
      try {
        for (let block = await arriving.next(); block !== undefined; block = await arriving.next())
          yield block;
        isRead = true;
      } catch (error) {
        this.#fail(error, doing);
      } finally {
        filter.rows = undefined;
        // The rest of the rows would come in the place of the next answer.
        if (!isRead) this.destroy();
      }
    };
    return { blocks: blocks.call(this), rows: () => rows };
  }

  /**
   * Runs COPY … FROM STDIN; returns the rows that the server took. When `text` fails, none are, and the session is lost.
   * @throws SOURCE_UNREACHABLE when the server takes nothing more, and what `text` throws
   */
  async copyIn(sql: string, text: AsyncIterable<Uint8Array>, doing = 'COPY failed'): Promise<number> {
    throwIfAborted(this.#options.signal);
    const query = this.#client.query(new CopyInQuery(sql));
    let isOver = false;
    query.done.catch(() => undefined).finally(() => (isOver = true));
    try {
      await query.ready;
      for await (const bytes of text) {
        if (isOver) break;
        await sendRows(this.#connection.stream, bytes, this.#options.answerSeconds * 1000);
      }
    } catch (error) {
      // Without the message that ends the rows, the server takes none of them.
      this.destroy();
      throw error;
    }
    if (!isOver) this.#connection.endCopyFrom();
    return query.done.catch((error: unknown) => this.#fail(error, doing));
  }

  #fail(error: unknown, doing: string): never {
    throwIfAborted(this.#options.signal);
    // The driver only says that it lost the connection; the server said why.
    throw translatePgError(this.#lost ?? error, doing);
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
        this.destroy();
      }, this.#options.answerSeconds * 1000);
    });
    try {
      const result = await Promise.race([answer, silence]);
      return result.rows ?? [];
    } catch (error) {
      answer.catch(() => undefined);
      return this.#fail(error, 'query failed');
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
    const timer = setTimeout(() => this.destroy(), 2000);
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
    this.destroy();
  }

  /** Ends the connection whatever it does; the server gives up what was not committed. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#connection.stream.destroy();
  }

  /** The driver has no public way to it. */
  get #connection(): DriverConnection {
    return (this.#client as unknown as { readonly connection: DriverConnection }).connection;
  }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the job was told to stop');
}
