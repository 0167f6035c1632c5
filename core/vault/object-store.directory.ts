import { constants, type Stats } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { HoldfastError } from '../errors.ts';
import { DigestMeter } from './digest.ts';
import {
  isLeftover,
  isMissing,
  leftoverName,
  makeDirectories,
  removeEmptyDirectories,
  syncDirectory,
  toVaultError,
  walkFiles,
  writeAll,
} from './directory-files.ts';
import type {
  CreateObjectOptions,
  ObjectFacts,
  ObjectRef,
  ObjectStore,
  ObjectVersion,
  StoredObject,
} from './object-store.ts';

/** Pieces of this size are read and written: fewer trips through the thread pool than the default 64 KiB. */
const chunkBytes = 1 << 20;

/**
 * A vault in a directory, for a single host or as a fallback. Objects are written to a file beside their place and linked
 * there when they are whole and on disk: whatever a crash leaves behind bears a name that no reader looks at.
 */
export class DirectoryObjectStore implements ObjectStore {
  readonly url: string;
  readonly locks = false;
  readonly #root: string;

  constructor(root: string) {
    this.#root = path.resolve(root);
    this.url = pathToFileURL(this.#root).href;
  }

  async create(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: CreateObjectOptions,
  ): Promise<StoredObject> {
    const target = this.#pathOf(key);
    const meter = await DigestMeter.create();
    try {
      if (await exists(target)) throw objectExists(key);
      const partial = await this.#writePartial(target, (file) => copy({ body, file, meter, options }));
      try {
        await publish(partial, target);
      } finally {
        await fs.rm(partial, { force: true });
      }
      await syncDirectory(path.dirname(target));
    } catch (error) {
      throw toVaultError(error, `store ${key}`);
    }
    return { key, ...meter.digest() };
  }

  async read(
    ref: ObjectRef,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<AsyncIterable<Uint8Array>> {
    try {
      const file = await fs.open(this.#pathOf(ref.key), 'r');
      return readChunks(file, ref.key, options.signal);
    } catch (error) {
      if (isMissing(error)) throw objectNotFound(ref.key, this.url);
      throw toVaultError(error, `read ${ref.key}`);
    }
  }

  async head(ref: ObjectRef): Promise<ObjectFacts | undefined> {
    try {
      const stats = await fs.stat(this.#pathOf(ref.key));
      return stats.isFile()
        ? { key: ref.key, storedBytes: stats.size, lastModified: stats.mtime }
        : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw toVaultError(error, `look at ${ref.key}`);
    }
  }

  async *listVersions(prefix: string): AsyncIterable<ObjectVersion> {
    for await (const { key, stats } of this.#files(prefix)) {
      if (isLeftover(key)) continue;
      yield {
        key,
        isLatest: true,
        isDeleteMarker: false,
        storedBytes: stats.size,
        lastModified: stats.mtime,
      };
    }
  }

  async *listFolders(prefix: string): AsyncIterable<string> {
    try {
      const entries = await fs.readdir(this.#pathOf(prefix), { withFileTypes: true });
      // Sorted with the slash, as S3 sorts common prefixes.
      const names = entries.filter((entry) => entry.isDirectory()).map((entry) => `${entry.name}/`);
      for (const name of names.toSorted()) yield `${prefix}${name}`;
    } catch (error) {
      if (isMissing(error)) return this.#refuseMissingRoot();
      throw toVaultError(error, `list ${prefix}`);
    }
  }

  async discard(key: string): Promise<void> {
    const file = this.#pathOf(key);
    await fs.rm(file, { force: true });
    await removeEmptyDirectories(path.dirname(file), this.#root);
  }

  async abortUploads(prefix: string, before: Date): Promise<number> {
    let aborted = 0;
    const folders = new Set<string>();
    for await (const { key, stats } of this.#files(prefix)) {
      if (!isLeftover(key) || stats.mtime >= before) continue;
      await fs.rm(this.#pathOf(key), { force: true });
      folders.add(path.dirname(this.#pathOf(key)));
      aborted += 1;
    }
    for (const folder of folders) await removeEmptyDirectories(folder, this.#root);
    return aborted;
  }

  async #writePartial(target: string, write: (file: fs.FileHandle) => Promise<void>): Promise<string> {
    const partial = path.join(path.dirname(target), leftoverName());
    await makeDirectories(path.dirname(target), this.#root);
    const file = await fs.open(partial, 'wx', 0o600);
    try {
      await write(file);
      await file.sync();
    } catch (error) {
      await fs.rm(partial, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return partial;
  }

  async *#files(prefix: string): AsyncGenerator<{ key: string; stats: Stats }> {
    try {
      // A prefix may end within a name; the folder that holds all of it is the part up to the last slash.
      const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      for await (const file of walkFiles(this.#pathOf(folder), folder)) {
        if (file.key.startsWith(prefix)) yield file;
      }
    } catch (error) {
      if (isMissing(error)) return this.#refuseMissingRoot();
      throw toVaultError(error, `list ${prefix}`);
    }
  }

  async #refuseMissingRoot(): Promise<void> {
    const stats = await fs.stat(this.#root).catch(() => undefined);
    if (stats?.isDirectory() === true) return;
    if (stats !== undefined) {
      throw new HoldfastError('VAULT_NOT_FOUND', `the vault ${this.#root} is a file; allowed is a folder`, {
        hint: 'name another place with --vault',
      });
    }
    throw new HoldfastError('VAULT_NOT_FOUND', `there is no vault at ${this.#root}`, {
      hint: 'is the disk mounted, and is the path right?',
    });
  }

  #pathOf(key: string): string {
    const elements = key.split('/');
    const last = elements.pop();
    const isSafe = (name: string) => name !== '' && name !== '.' && name !== '..' && !name.includes('\0');
    if (!elements.every(isSafe) || last === '.' || last === '..' || last?.includes('\0') === true) {
      throw new HoldfastError('INTERNAL', `key ${JSON.stringify(key)} is not a path inside the vault`);
    }
    return path.join(this.#root, ...elements, last ?? '');
  }
}

/** Hashes while the thread pool writes. */
async function copy(input: {
  readonly body: AsyncIterable<Uint8Array>;
  readonly file: fs.FileHandle;
  readonly meter: DigestMeter;
  readonly options: CreateObjectOptions;
}): Promise<void> {
  const { body, file, meter, options } = input;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let written = Promise.resolve();
  const flush = async () => {
    await written;
    const chunks = pending;
    pending = [];
    pendingBytes = 0;
    written = writeAll(file, chunks);
    // Awaited by the next flush; until then it must not count as unhandled.
    written.catch(() => undefined);
  };
  try {
    for await (const chunk of body) {
      options.signal?.throwIfAborted();
      pending.push(chunk);
      pendingBytes += chunk.length;
      if (pendingBytes >= chunkBytes) await flush();
      meter.update(chunk);
      options.onProgress?.(meter.storedBytes);
    }
    await flush();
  } finally {
    await written;
  }
  options.signal?.throwIfAborted();
}

/** Gives the finished file its name, never in place of another. */
async function publish(partial: string, target: string): Promise<void> {
  try {
    await fs.link(partial, target);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw objectExists(path.basename(target));
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
    // A file system without hard links (FAT, some network mounts) has no atomic refusal: the gap between these two lines is
    // open to a second writer of the same recovery point, whose id would have to be equal.
    if (await exists(target)) throw objectExists(path.basename(target));
    await fs.rename(partial, target);
  }
}

async function* readChunks(
  file: fs.FileHandle,
  key: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(chunkBytes), 0, chunkBytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw toVaultError(error, `read ${key}`);
  } finally {
    await file.close();
  }
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file, constants.F_OK).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}

function objectExists(key: string): HoldfastError {
  return new HoldfastError('OBJECT_EXISTS', `${key} is in the vault already; keys are written once`);
}

function objectNotFound(key: string, url: string): HoldfastError {
  return new HoldfastError('OBJECT_NOT_FOUND', `${key} is not in ${url}`);
}
