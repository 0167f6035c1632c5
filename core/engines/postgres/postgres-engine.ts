import type { Engine } from '../engine.ts';
import { backupPostgres } from './backup.ts';
import { checkPostgres } from './check.ts';
import type { PostgresConnection } from './connection.ts';
import { type PostgresEngineOptions, withDefaults } from './options.ts';
import { probePostgres } from './probe.ts';
import { itemsForTables, restorePostgres } from './restore.ts';

/** The logical PostgreSQL engine: servers 14 to 18, managed ones included; clients of each major as child processes. */
export function createPostgresEngine(options: PostgresEngineOptions = {}): Engine<PostgresConnection> {
  const settings = withDefaults(options);
  return {
    name: 'postgres',
    probe: (connection, probeOptions) =>
      probePostgres(connection, settings, probeOptions?.signal ?? new AbortController().signal),
    backup: (context) => backupPostgres(context, settings),
    itemsFor: itemsForTables,
    restore: (context) => restorePostgres(context, settings),
    check: (context) => checkPostgres(context, settings),
  };
}
