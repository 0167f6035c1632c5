import { randomBytes } from 'node:crypto';
import {
  type PostgresMajor,
  type PostgresServer,
  postgresBinDirectory,
  startPostgres,
} from '../../../../sandbox/postgres/postgres-server.ts';
import type { BackupContext, BackupOutcome, Engine, RestoreContext, RestoreOutcome } from '../../engine.ts';
import { TestStore } from '../../testing.ts';
import type { PostgresConnection } from '../connection.ts';
import type { PostgresEngineOptions } from '../options.ts';
import { createPostgresEngine } from '../postgres-engine.ts';
import { sql } from './compare.ts';

/** A server with what a test of the engine needs around it; everything it makes is gone after `stop`. */
export class Harness {
  readonly server: PostgresServer;
  readonly bin: string;
  readonly #stores: TestStore[] = [];

  private constructor(server: PostgresServer) {
    this.server = server;
    this.bin = postgresBinDirectory(server.major);
  }

  static async start(
    major: PostgresMajor = 18,
    settings: Readonly<Record<string, string>> = {},
    { trust = false } = {},
  ): Promise<Harness> {
    return new Harness(await startPostgres({ major, settings, trust }));
  }

  /** A new, empty database. */
  async database(prefix = 'db'): Promise<PostgresConnection> {
    const name = `${prefix}_${randomBytes(4).toString('hex')}`;
    await sql(this.bin, this.server.connection, `CREATE DATABASE "${name}" TEMPLATE template0`);
    return this.server.connectionTo(name);
  }

  sql(connection: PostgresConnection, statement: string): Promise<string> {
    return sql(this.bin, connection, statement);
  }

  async store(): Promise<TestStore> {
    const store = await TestStore.create();
    this.#stores.push(store);
    return store;
  }

  engine(options: PostgresEngineOptions = {}): Engine<PostgresConnection> {
    return testEngine(options);
  }

  async backup(
    connection: PostgresConnection,
    options: BackupOptions = {},
  ): Promise<{ readonly store: TestStore; readonly outcome: BackupOutcome }> {
    const { engine, ...context } = options;
    const store = await this.store();
    const outcome = await this.engine(engine).backup({
      connection,
      connections: 2,
      onDdl: 'yield',
      store: store.store,
      ...quiet(),
      ...context,
    });
    return { store, outcome };
  }

  restore(
    connection: PostgresConnection,
    from: { readonly store: TestStore; readonly outcome: BackupOutcome },
    options: RestoreOptions = {},
  ): Promise<RestoreOutcome> {
    const { engine, ...context } = options;
    const { store, outcome } = from;
    return this.engine(engine).restore({
      connection,
      connections: 2,
      manifest: store.manifest(outcome),
      read: store.read,
      ...quiet(),
      ...context,
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.delete()));
    await this.server.destroy();
  }
}

interface BackupOptions extends Partial<BackupContext<PostgresConnection>> {
  readonly engine?: PostgresEngineOptions;
}

interface RestoreOptions extends Partial<RestoreContext<PostgresConnection>> {
  readonly engine?: PostgresEngineOptions;
}

/** The engine with the client programs of the servers under test. */
export function testEngine(options: PostgresEngineOptions = {}): Engine<PostgresConnection> {
  return createPostgresEngine({
    binDirectory: (major) => postgresBinDirectory(major as PostgresMajor),
    ...options,
  });
}

function quiet() {
  return {
    signal: new AbortController().signal,
    onProgress: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  };
}
