import type { TlsMode } from '../../plan/plan.ts';

export interface Server {
  /** A name, an address, or a directory with the server's Unix socket. */
  readonly host: string;
  readonly port: number;
}

/** Where a PostgreSQL database is and how to get in. Holds the password: never log it, never put it into arguments. */
export interface PostgresConnection extends Server {
  /** Further servers that are tried in turn when one does not accept connections or has another role. */
  readonly alternatives?: readonly Server[];
  /** Which servers will do. @default both */
  readonly role?: 'primary' | 'standby';
  readonly dbname: string;
  readonly username: string;
  readonly password?: string;
  /** Takes the place of `password` where one is good for minutes only. */
  readonly shortLivedPassword?: ShortLivedPassword;
  readonly tls: TlsMode;
  /** PEM file with the authorities that `verify-ca` and `verify-full` trust; the system's when missing. */
  readonly caFile?: string;
  /** PEM files with the client's certificate and its key, where the server asks for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Settings for the server, as libpq's `options`: `-c name=value …`. */
  readonly options?: string;
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
