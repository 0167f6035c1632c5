import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../errors.ts';
import { type PostgresConnection, passwordOf } from './connection.ts';

/** A password that cannot be had is asked for again after this long: the one before opens connections for some minutes yet. */
const retrySeconds = 5;

/**
 * The password as libpq reads it: a file of mode 600, read at each connection. A short-lived password is written anew again
 * and again, because nobody knows when a program connects: pg_restore does so once more after its last index, hours later.
 */
export class PasswordFile {
  readonly path: string;
  readonly #connection: PostgresConnection;
  readonly #stop = new AbortController();
  #renewing: Promise<void> | undefined;

  private constructor(file: string, connection: PostgresConnection) {
    this.path = file;
    this.#connection = connection;
  }

  /** @throws SOURCE_CREDENTIALS when there is no password, or one that a password file cannot carry */
  static async write(file: string, connection: PostgresConnection): Promise<PasswordFile> {
    const written = new PasswordFile(file, connection);
    await written.#write();
    const renewSeconds = connection.shortLivedPassword?.renewSeconds;
    if (renewSeconds !== undefined) written.#renewing = written.#renew(renewSeconds);
    return written;
  }

  /** Ends the renewal; the file stays. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#renewing;
  }

  async #renew(everySeconds: number): Promise<void> {
    const { signal } = this.#stop;
    let seconds = everySeconds;
    while (await pause(seconds, signal)) {
      const isWritten = await this.#write().then(
        () => true,
        // Whoever connects with what is there is told by the server when it is too old.
        () => false,
      );
      seconds = isWritten ? everySeconds : Math.min(retrySeconds, everySeconds);
    }
  }

  /** In one step, so that a program that connects just now reads the old password or the new one, never half of it. */
  async #write(): Promise<void> {
    const line = passwordLine(await passwordOf(this.#connection));
    const next = `${this.path}.next`;
    await writeFile(next, line, { mode: 0o600 });
    await rename(next, this.path);
  }
}

/** False when it was stopped. */
function pause(seconds: number, signal: AbortSignal): Promise<boolean> {
  // A renewal alone keeps no process alive.
  return sleep(seconds * 1000, true, { signal, ref: false }).catch(() => false);
}

function passwordLine(password: string): string {
  if (password === '') return '';
  if (/[\n\0]|\r$/.test(password)) {
    throw new HoldfastError(
      'SOURCE_CREDENTIALS',
      'the password holds a line break, which a password file cannot carry',
      { hint: 'give the backup user a password without line breaks' },
    );
  }
  return `*:*:*:*:${password.replaceAll('\\', '\\\\').replaceAll(':', '\\:')}\n`;
}
