import type { TlsMode } from '../../plan/plan.ts';

/** Where a PostgreSQL database is and how to get in. Holds the password: never log it, never put it into arguments. */
export interface PostgresConnection {
  readonly host: string;
  readonly port: number;
  readonly dbname: string;
  readonly username: string;
  readonly password?: string;
  /** Takes the place of `password` where one is good for minutes only. */
  readonly shortLivedPassword?: ShortLivedPassword;
  readonly tls: TlsMode;
  /** PEM file with the authorities that `verify-ca` and `verify-full` trust; the system's when missing. */
  readonly caFile?: string;
}

/** A password that opens connections for a while and leaves open ones alone, such as a token of RDS. */
export interface ShortLivedPassword {
  /** A new one. Asked before every connection, so it must cost next to nothing. @throws SOURCE_CREDENTIALS */
  ask(): Promise<string>;
  /** How often the file that PostgreSQL's own programs read is written again; far below the time a password is good for. */
  readonly renewSeconds: number;
}

/** What opens the next connection; empty when there is none. */
export async function passwordOf(connection: PostgresConnection): Promise<string> {
  return (await connection.shortLivedPassword?.ask()) ?? connection.password ?? '';
}
