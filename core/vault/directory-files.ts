import type { Stats } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { ulid } from 'ulid';
import { type ErrorCode, HoldfastError } from '../errors.ts';

const leftoverPattern = /(?:^|\/)\.[0-9A-Z]{26}\.upload$/;

/** A name for a file that is not whole yet; no object of the layout begins with a dot. */
export function leftoverName(): string {
  return `.${ulid()}.upload`;
}

/** True for what {@link leftoverName} made: an upload that runs, or one that a crash cut off. */
export function isLeftover(key: string): boolean {
  return leftoverPattern.test(key);
}

/** True when an error says that a path, or a folder on the way to it, is not there. */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Writes all chunks in order; a short write is continued until the disk refuses it. */
export async function writeAll(file: fs.FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0);
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest);
    rest = rest.flatMap((chunk) => {
      const done = Math.min(bytesWritten, chunk.length);
      bytesWritten -= done;
      return done === chunk.length ? [] : [chunk.subarray(done)];
    });
  }
}

/**
 * Makes a folder and those above it that are missing, mode 700. @returns the topmost one that was made. Not Node's own
 * `recursive`: where the system refuses new folders with ENOENT, as /proc does, that makes the parent and tries again for
 * ever, deaf to signals in its synchronous form (seen with Node 24.21).
 */
export async function makeFolders(directory: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let at = path.resolve(directory); !(await isFolder(at)); at = path.dirname(at)) missing.push(at);
  for (const folder of missing.toReversed()) {
    await fs.mkdir(folder, { mode: 0o700 }).catch(async (error: unknown) => {
      // Made by somebody else meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await isFolder(folder))) throw error;
    });
  }
  return missing.at(-1);
}

/** False only for what is not there; what stands in its place, as a file does, is an error. */
async function isFolder(directory: string): Promise<boolean> {
  const stats = await fs.stat(directory).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (stats === undefined) return false;
  if (stats.isDirectory()) return true;
  throw Object.assign(new Error(`ENOTDIR: ${directory} is no folder`), { code: 'ENOTDIR' });
}

/** Makes the folders of a vault, mode 700, and puts their names on disk too. */
export async function makeDirectories(directory: string, root: string): Promise<void> {
  const first = await makeFolders(directory);
  if (first === undefined) return;
  const top = path.dirname(first);
  for (let at = directory; at !== top && at !== path.dirname(root); at = path.dirname(at)) {
    await syncDirectory(path.dirname(at));
  }
}

/** A new name in a folder survives a power cut only when the folder itself was synced. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes folders that became empty, from the inside out, up to but not including the root. */
export async function removeEmptyDirectories(directory: string, root: string): Promise<void> {
  for (let at = directory; at.startsWith(root + path.sep); at = path.dirname(at)) {
    try {
      await fs.rmdir(at);
    } catch {
      return;
    }
  }
}

/** All files below a folder in the order of their keys, as S3 lists them. */
export async function* walkFiles(
  directory: string,
  prefix: string,
): AsyncGenerator<{ key: string; stats: Stats }> {
  const entries = await fs.readdir(directory, { withFileTypes: true });
  // S3 orders whole keys: 'a-b' comes before 'a/c', so a folder is sorted with its slash.
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  for (const name of names.toSorted()) {
    if (name.endsWith('/')) {
      yield* walkFiles(path.join(directory, name), `${prefix}${name}`);
      continue;
    }
    const stats = await fs.stat(path.join(directory, name)).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (stats?.isFile() === true) yield { key: `${prefix}${name}`, stats };
  }
}

const codeOfErrno: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'VAULT_FULL',
  EDQUOT: 'VAULT_FULL',
  EFBIG: 'VAULT_FULL',
  ENOENT: 'VAULT_NOT_FOUND',
  ENOTDIR: 'VAULT_NOT_FOUND',
  EACCES: 'VAULT_ACCESS_DENIED',
  EPERM: 'VAULT_ACCESS_DENIED',
  EROFS: 'VAULT_ACCESS_DENIED',
  EIO: 'VAULT_UNAVAILABLE',
  ESTALE: 'VAULT_UNAVAILABLE',
  ETIMEDOUT: 'VAULT_UNAVAILABLE',
};

const hints: Partial<Record<ErrorCode, string>> = {
  VAULT_NOT_FOUND: 'is the disk mounted, and is the path that of a folder?',
  VAULT_ACCESS_DENIED: 'who owns the folder, and may this user write there? ls -ld shows it',
  VAULT_FULL:
    'make room on the disk of the vault, or give another vault; folders of the vault without a manifest.json are of backups that did not finish',
};

/** The file system's word in ours; what has no name here stays as it is. */
export function toVaultError(error: unknown, action: string): unknown {
  if (error instanceof HoldfastError) return error;
  const { code: errno, message } = error as NodeJS.ErrnoException;
  const code = errno === undefined ? undefined : codeOfErrno[errno];
  return code === undefined
    ? error
    : new HoldfastError(code, `cannot ${action}: ${message}`, { cause: error, hint: hints[code] });
}
