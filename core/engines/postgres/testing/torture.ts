import path from 'node:path';
import type { PostgresConnection } from '../connection.ts';
import { runClient } from './compare.ts';

/** Roles that the fixture's owners and grants need; they stand beside the database. */
const roles = `
  DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'torture_owner') THEN
      CREATE ROLE torture_owner NOLOGIN; CREATE ROLE torture_reader LOGIN CONNECTION LIMIT 3; CREATE ROLE "odd owner" NOLOGIN CREATEDB;
      GRANT torture_owner TO "odd owner" WITH ADMIN OPTION; GRANT torture_reader TO torture_owner;
      ALTER ROLE torture_reader SET search_path TO app, "$user", public; ALTER ROLE torture_reader SET work_mem TO '5MB';
      COMMENT ON ROLE torture_reader IS 'reads';
    END IF;
  END $$;`;

/** Fills an empty database with one of everything. */
export async function loadTorture(
  psql: string,
  connection: PostgresConnection,
  major: number,
): Promise<void> {
  const files = ['torture.sql', ...(major >= 18 ? ['torture-18.sql'] : [])];
  const arguments_ = ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-c', roles];
  await runClient(psql, arguments_, connection);
  for (const file of files)
    await runClient(
      psql,
      ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', path.join(import.meta.dirname, file)],
      connection,
    );
  const { dbname } = connection;
  const settings = [
    `ALTER DATABASE "${dbname}" SET default_transaction_read_only TO off`,
    `ALTER DATABASE "${dbname}" SET search_path TO app, "Odd schema"`,
    `ALTER ROLE torture_reader IN DATABASE "${dbname}" SET statement_timeout TO '1min'`,
    `COMMENT ON DATABASE "${dbname}" IS 'a database''s comment'`,
    `GRANT CREATE ON DATABASE "${dbname}" TO torture_reader`,
  ];
  for (const statement of settings) await runClient(psql, ['-X', '-q', '-c', statement], connection);
}
