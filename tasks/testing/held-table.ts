import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { runSql } from '../../core/jobs/testing.ts';

/** A table that nobody else gets, so that a backup is in the middle of its work for as long as a test needs. */
export interface HeldTable {
  /** Process ids of the server's sessions that wait for the table, once there are any. */
  waiting(): Promise<number[]>;
  release(): Promise<void>;
}

export async function holdTable(connection: PostgresConnection, table: string): Promise<HeldTable> {
  const { host, port, password, dbname: database, username: user } = connection;
  const blocker = new pg.Client({ host, port, password, database, user });
  await blocker.connect();
  await blocker.query(`begin; lock table ${table} in access exclusive mode`);
  return {
    waiting: async () => {
      for (;;) {
        const found = await runSql(connection, 'select pid from pg_locks where not granted');
        if (found.length > 0) return found.map(({ pid }) => Number(pid));
        await pause(50);
      }
    },
    release: () => blocker.end(),
  };
}
