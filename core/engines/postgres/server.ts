import { HoldfastError } from '../../errors.ts';
import type { Session } from './session.ts';

export interface ServerFacts {
  readonly major: number;
  readonly version: string;
  readonly blockBytes: number;
  /** What the client programs speak: UTF8, or SQL_ASCII for databases that know no encoding. */
  readonly clientEncoding: string;
  readonly encoding: string;
  readonly isSuperuser: boolean;
  /** max_locks_per_transaction, and the connections and prepared transactions that it is multiplied by: room for their product is certain. */
  readonly locks: { readonly perTransaction: number; readonly sessions: number };
}

export const supportedMajors: readonly number[] = [14, 15, 16, 17, 18];

export async function readServer(session: Session): Promise<ServerFacts> {
  const row = await session.one<{
    number: string;
    version: string;
    block: string;
    encoding: string;
    superuser: boolean;
    locks: number;
    sessions: number;
  }>(`
    select current_setting('server_version_num') as number, current_setting('server_version') as version,
      current_setting('block_size') as block, current_setting('server_encoding') as encoding,
      current_setting('is_superuser') = 'on' as superuser,
      current_setting('max_locks_per_transaction')::int as locks,
      current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int as sessions`);
  return {
    major: Math.floor(Number(row.number) / 10_000),
    version: row.version,
    blockBytes: Number(row.block),
    clientEncoding: row.encoding === 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8',
    encoding: row.encoding,
    isSuperuser: row.superuser,
    locks: { perTransaction: row.locks, sessions: row.sessions },
  };
}

/** @throws NOT_SUPPORTED_YET */
export function requireSupported(server: ServerFacts): void {
  if (!supportedMajors.includes(server.major)) {
    throw new HoldfastError(
      'NOT_SUPPORTED_YET',
      `PostgreSQL ${server.version} is not supported, only ${supportedMajors.join(', ')} are`,
    );
  }
}
