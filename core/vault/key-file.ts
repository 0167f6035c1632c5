import { hkdfSync, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError } from '../errors.ts';
import { sha256Hex } from './digest.ts';
import { leftoverName, makeFolders, syncDirectory } from './directory-files.ts';

/** What a key file yields; each use has a key of its own, so none can stand in for another. */
export interface DerivedKeys {
  /** Public name of the key: recorded with every message and signature. */
  readonly id: string;
  /** AES-256, wraps the data key of every item. */
  readonly wrapping: Uint8Array;
  /** HMAC-SHA-256 over manifests. */
  readonly manifest: Uint8Array;
  /** Password of the role that writes canaries. */
  readonly canaryWriter: Uint8Array;
}

const secretBytes = 32;
const formatName = 'holdfast-key-v1';
const line = new RegExp(`^${formatName} ([0-9a-f]{64}) ([0-9a-f]{8})$`);

/** Reads a key file. @throws KEY_FILE_INVALID when it is missing, open to others or damaged */
export async function readKeyFile(file: string): Promise<DerivedKeys> {
  return deriveKeys(parseKeyFile(await readPrivateFile(file), file));
}

/**
 * HMAC-SHA-256 over the canaries of one source: rows of one database that are carried into another are of another key there.
 * @throws KEY_FILE_INVALID as {@link readKeyFile}
 */
export async function readCanarySecret(file: string, source: string): Promise<Uint8Array> {
  return deriveCanarySecret(parseKeyFile(await readPrivateFile(file), file), source);
}

/** Makes a key file (mode 600) unless there is one. @returns whether it was made, so that the caller can say where to keep it */
export async function createKeyFile(file: string): Promise<boolean> {
  const directory = path.dirname(path.resolve(file));
  const partial = path.join(directory, leftoverName());
  try {
    await makeFolders(directory);
    await fs.writeFile(partial, keyFileText(randomBytes(secretBytes)), {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    });
    // Two first runs at once: one key wins and both read it.
    await fs.link(partial, file);
    await syncDirectory(directory);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    const reason = error instanceof Error ? `: ${error.message}` : '';
    throw new HoldfastError('KEY_FILE_INVALID', `cannot make the key file ${file}${reason}`, {
      cause: error,
      hint: 'name a place that this user may write to with --key-file',
    });
  } finally {
    await fs.rm(partial, { force: true }).catch(() => undefined);
  }
}

/** HKDF-SHA-256 without salt; `docs/paper-restore.md` does the same with public tools. */
export function deriveKeys(secret: Uint8Array): DerivedKeys {
  return {
    id: Buffer.from(derive(secret, 'id', 8)).toString('hex'),
    wrapping: derive(secret, 'wrapping', 32),
    manifest: derive(secret, 'manifest', 32),
    canaryWriter: derive(secret, 'canary-writer', 24),
  };
}

/** As {@link readCanarySecret}. */
export function deriveCanarySecret(secret: Uint8Array, source: string): Uint8Array {
  return derive(secret, `canary/${source}`, 32);
}

function derive(secret: Uint8Array, use: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), `${formatName}/${use}`, length));
}

function keyFileText(secret: Buffer): string {
  return [
    '# Key of a Holdfast vault. Whoever has it can read the backups; without it nobody can.',
    '# Keep a copy away from this host and from the vault. The last word is a checksum of the key.',
    `${formatName} ${secret.toString('hex')} ${checksum(secret)}`,
    '',
  ].join('\n');
}

function parseKeyFile(text: string, file: string): Uint8Array {
  const lines = text.split(/\r?\n/).map((entry) => entry.trim());
  const entries = lines.filter((entry) => entry !== '' && !entry.startsWith('#'));
  const match = line.exec(entries[0] ?? '');
  if (entries.length !== 1 || match === null) {
    throw new HoldfastError(
      'KEY_FILE_INVALID',
      `${file} is not a Holdfast key file: expected one line "${formatName} <64 hex digits> <8 hex digits>"`,
    );
  }
  const secret = Buffer.from(match[1] ?? '', 'hex');
  if (checksum(secret) !== match[2]) {
    throw new HoldfastError('KEY_FILE_INVALID', `the key in ${file} does not fit its checksum`, {
      hint: 'was it typed in by hand? compare it with another copy',
    });
  }
  return secret;
}

function checksum(secret: Uint8Array): string {
  return sha256Hex(secret).slice(0, 8);
}

async function readPrivateFile(file: string): Promise<string> {
  try {
    const handle = await fs.open(file, 'r');
    try {
      const { mode } = await handle.stat();
      if ((mode & 0o077) !== 0) {
        throw new HoldfastError(
          'KEY_FILE_INVALID',
          `key file ${file} has mode ${(mode & 0o777).toString(8)}: others could read it, allowed is 600`,
          { hint: `chmod 600 ${file}; if others may have read it, begin a new vault with a new key` },
        );
      }
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('KEY_FILE_INVALID', `cannot read the key file ${file}`, {
      cause: error,
      hint: 'the vault cannot be read without the key it was written with',
    });
  }
}
