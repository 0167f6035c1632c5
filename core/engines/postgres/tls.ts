import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net from 'node:net';
import type pg from 'pg';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import type { PostgresConnection, Server } from './connection.ts';

/** For the driver. @throws SOURCE_TLS when a file cannot be read */
export async function tlsOptions(connection: PostgresConnection): Promise<pg.ClientConfig['ssl']> {
  // As libpq: a Unix socket has no TLS and needs none.
  if (connection.tls === 'disable' || connection.host.startsWith('/')) return false;
  const own = {
    cert: await readPem(connection.certFile, "the client's certificate"),
    key: await readPem(connection.keyFile, "the client's key"),
  };
  if (connection.tls === 'require') return { ...own, rejectUnauthorized: false };
  const ca = await readPem(connection.caFile, 'the file of trusted authorities');
  return connection.tls === 'verify-full'
    ? { ...own, ca }
    : { ...own, ca, checkServerIdentity: () => undefined };
}

async function readPem(file: string | undefined, what: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new HoldfastError('SOURCE_TLS', `cannot read ${what} ${file}`, { cause });
  });
}

/** pg_hba.conf has no line that lets this connection in as it is, unencrypted, or one that keeps it out. */
const refusedPlain =
  /(?:no pg_hba\.conf entry|pg_hba\.conf rejects connection) for .*, (?:no encryption|SSL off)/;
const probeMs = 5000;

/**
 * A server that demands TLS and one that does not know the host refuse a plain connection with the same words; only the one
 * that offers TLS can mean that.
 */
export async function demandOfTls(error: unknown, connection: PostgresConnection): Promise<unknown> {
  if (connection.tls !== 'disable' || !isHoldfastError(error, 'SOURCE_CREDENTIALS')) return error;
  if (!refusedPlain.test(error.message) || !(await offersTls(connection))) return error;
  return new HoldfastError('SOURCE_TLS', `${error.message}, and TLS is switched off for it`, {
    cause: error,
    hint: 'switch TLS on: sslmode=verify-full in a URL, tls: verify-full in a plan, with the authorities of the server; if it refuses that too, its pg_hba.conf does not let this host in',
  });
}

/** SSLRequest and its answer of one byte: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL */
async function offersTls({ host, port }: Server): Promise<boolean> {
  if (host.startsWith('/')) return false;
  const socket = net.connect({ host, port });
  try {
    const request = Buffer.alloc(8);
    request.writeUInt32BE(8, 0);
    request.writeUInt32BE(80_877_103, 4);
    socket.write(request);
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(probeMs) })) as [Buffer];
    return answer.toString('latin1', 0, 1) === 'S';
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
