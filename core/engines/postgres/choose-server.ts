import { HoldfastError, isHoldfastError } from '../../errors.ts';
import type { PostgresConnection, Server } from './connection.ts';
import { Session } from './session.ts';

const answerSeconds = 30;

/**
 * The connection to the first of several servers that accepts connections and has the wanted role, as libpq tries them. Once
 * for a whole job: a snapshot is of one server. @throws SOURCE_UNREACHABLE and what `Session.connect` throws for the last one
 */
export async function chooseServer(
  connection: PostgresConnection,
  signal: AbortSignal,
): Promise<PostgresConnection> {
  const { alternatives = [], role, ...rest } = connection;
  if (alternatives.length === 0 && role === undefined) return connection;
  const servers: readonly Server[] = [rest, ...alternatives];
  let last: unknown;
  for (const { host, port } of servers) {
    const candidate: PostgresConnection = { ...rest, host, port };
    try {
      if (await hasRole(candidate, role, signal)) return candidate;
      last = new HoldfastError('SOURCE_UNREACHABLE', `${host}:${port} is not a ${role}`, {
        hint: `which of the servers is the ${role} now? leave target_session_attrs out if any will do`,
      });
    } catch (error) {
      if (!isHoldfastError(error, 'SOURCE_UNREACHABLE')) throw error;
      last = error;
    }
  }
  throw last;
}

async function hasRole(
  connection: PostgresConnection,
  role: PostgresConnection['role'],
  signal: AbortSignal,
): Promise<boolean> {
  const session = await Session.connect(connection, { signal, answerSeconds });
  try {
    const { standby } = await session.one<{ standby: boolean }>(
      'select pg_catalog.pg_is_in_recovery() as standby',
    );
    return role === undefined || standby === (role === 'standby');
  } finally {
    await session.close();
  }
}
