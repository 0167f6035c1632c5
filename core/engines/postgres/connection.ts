import type { TlsMode } from '../../plan/plan.ts';

/** Where a PostgreSQL database is and how to get in. Holds the password: never log it, never put it into arguments. */
export interface PostgresConnection {
  readonly host: string;
  readonly port: number;
  readonly dbname: string;
  readonly username: string;
  readonly password?: string;
  readonly tls: TlsMode;
  /** PEM file with the authorities that `verify-ca` and `verify-full` trust; the system's when missing. */
  readonly caFile?: string;
}
