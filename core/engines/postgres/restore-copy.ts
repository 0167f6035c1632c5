import type { Readable } from 'node:stream';
import { HoldfastError, isHoldfastError } from '../../errors.ts';
import { decompressStream } from '../../vault/compress.ts';
import type { Session } from './session.ts';
import { transactionTimeoutOff } from './copy-worker.ts';

export interface CopyIn {
  /** For messages. */
  readonly name: string;
  /** One of them is COPY … FROM STDIN; each is sent by itself. */
  readonly statements: readonly string[];
}

/** What pg_restore sets before it copies, plus the formats that the backup fixed. */
const restoreSettings = [
  "SET search_path TO ''",
  "SET datestyle TO 'ISO, YMD'",
  "SET intervalstyle TO 'postgres'",
  "SET lc_monetary TO 'C'",
  "SET timezone TO 'UTC'",
  'SET xmloption TO content',
  'SET check_function_bodies TO off',
  'SET row_security TO off',
  'SET standard_conforming_strings TO on',
  "SET client_min_messages TO 'warning'",
  'SET statement_timeout TO 0',
  'SET lock_timeout TO 0',
  'SET idle_in_transaction_session_timeout TO 0',
  'SET default_transaction_read_only TO off',
  // A crash before the restore's last, synchronous commit makes the whole restore start again anyway.
  'SET synchronous_commit TO off',
];

/** Makes a session ready for copies. The encoding is that of the backup's text, where an item does not name its own. */
export async function prepareCopies(session: Session, clientEncoding: string): Promise<void> {
  await session.query([...restoreSettings, `SET client_encoding TO '${clientEncoding}'`].join('; '));
  await session.query(transactionTimeoutOff);
}

/** Runs the statements, the COPY among them with the given text; returns how many rows the server took. */
export async function copyIn(
  session: Session,
  { name, statements }: CopyIn,
  text: AsyncIterable<Uint8Array>,
): Promise<number> {
  const doing = `cannot restore ${name}`;
  let rows = 0;
  for (const statement of statements) {
    if (statement.startsWith('COPY ')) rows = await session.copyIn(statement, text, doing);
    else await session.run(statement, doing);
  }
  return rows;
}

/** The text of one compressed item. @throws DECOMPRESS_FAILED, and what reading the item throws */
export async function* textOf(name: string, compressed: Readable): AsyncGenerator<Buffer> {
  try {
    yield* decompressStream(compressed, 'zst') as AsyncIterable<Buffer>;
  } catch (error) {
    if (isHoldfastError(error)) throw error;
    const reason = (error as Error).message;
    throw new HoldfastError('DECOMPRESS_FAILED', `${name} cannot be decompressed: ${reason}`, {
      cause: error,
    });
  } finally {
    compressed.destroy();
  }
}
