import type { Engine } from '../engine.ts';
import { backupPostgres } from './backup.ts';
import { checkPostgres } from './check.ts';
import { chooseServer } from './choose-server.ts';
import type { PostgresConnection } from './connection.ts';
import { type PostgresEngineOptions, withDefaults } from './options.ts';
import { probePostgres } from './probe.ts';
import { itemsForTables, restorePostgres } from './restore.ts';

/** The logical PostgreSQL engine: servers 14 to 18, managed ones included; clients of each major as child processes. */
export function createPostgresEngine(options: PostgresEngineOptions = {}): Engine<PostgresConnection> {
  const settings = withDefaults(options);
  const chosen = async <Context extends Connecting>(context: Context): Promise<Context> => ({
    ...context,
    connection: await chooseServer(context.connection, context.signal),
  });
  return {
    name: 'postgres',
    probe: async (connection, { signal = new AbortController().signal } = {}) =>
      probePostgres(await chooseServer(connection, signal), settings, signal),
    backup: async (context) => backupPostgres(await chosen(context), settings),
    itemsFor: itemsForTables,
    restore: async (context) => restorePostgres(await chosen(context), settings),
    check: async (context) => checkPostgres(await chosen(context), settings),
  };
}

interface Connecting {
  readonly connection: PostgresConnection;
  readonly signal: AbortSignal;
}
