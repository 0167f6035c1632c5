import type { Duplex } from 'node:stream';
import { setImmediate as afterPoll } from 'node:timers/promises';
import pg from 'pg';
import { HoldfastError } from '../../errors.ts';

/** COPY … FROM STDIN as the driver runs it: it says when the server is ready for rows, and how the statement ended. */
export class CopyInQuery extends pg.Query {
  /** Rows that the server took. */
  readonly done: Promise<number>;
  /** Resolves when the server waits for rows, or has ended the statement already. */
  readonly ready: Promise<void>;
  #isReady!: () => void;

  constructor(sql: string) {
    let settle: (error: Error | undefined, result: { readonly rowCount: number | null } | undefined) => void;
    super(sql, (error: Error | undefined, result: unknown) => settle(error, result as { rowCount: number }));
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.done = new Promise<number>((resolve, reject) => {
      settle = (error, result) => (error ? reject(error) : resolve(result?.rowCount ?? 0));
    }).finally(this.#isReady);
    this.done.catch(() => undefined);
  }

  /** Called by the driver. */
  handleCopyInResponse(): void {
    this.#isReady();
  }
}

/** Sends one CopyData message, its bytes uncopied; waits until the connection takes more. @throws SOURCE_UNREACHABLE */
export async function sendRows(stream: Duplex, bytes: Uint8Array, idleMs: number): Promise<void> {
  // What the server said is read first: once a write has failed, Node throws away the words that a dying server left.
  await afterPoll();
  const header = Buffer.allocUnsafe(5);
  header.write('d', 0, 'latin1');
  header.writeUInt32BE(bytes.length + 4, 1);
  stream.cork();
  stream.write(header);
  stream.write(bytes);
  stream.uncork();
  if (!stream.writableNeedDrain) return;
  await new Promise<void>((resolve, reject) => {
    const finish = (error?: HoldfastError) => {
      clearTimeout(timer);
      stream.off('drain', finish);
      stream.off('close', onClose);
      if (error instanceof HoldfastError) reject(error);
      else resolve();
    };
    // Why it was closed, the statement's end tells.
    const onClose = () => finish();
    const timer = setTimeout(
      () =>
        finish(
          new HoldfastError(
            'SOURCE_UNREACHABLE',
            `the server took nothing for ${idleMs / 1000} s in the middle of a table`,
          ),
        ),
      idleMs,
    );
    stream.on('drain', finish);
    stream.on('close', onClose);
  });
}
