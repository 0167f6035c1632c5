import { createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HoldfastError } from '../../errors.ts';
import { startChild, toolFailed } from '../child-process.ts';
import { decompressStream } from '../../vault/compress.ts';
import { errorFromLines, redact } from './pg-errors.ts';
import { ErrorLog, type ReportedError } from './restore-errors.ts';
import { readTableOfContents, type TocEntry } from './restore-toc.ts';

export interface ArchiveOptions {
  readonly pgRestore: string;
  readonly env: Readonly<Record<string, string>>;
  readonly conninfo: string;
  /** Makes text of names and definitions, which the archive and pg_restore give as bytes. @default UTF-8 */
  readonly decode?: (bytes: Buffer) => string;
  /** Private directory for the archive of definitions; it holds no rows. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly entries: readonly TocEntry[];
  readonly jobs: number;
  readonly extraArgs?: readonly string[];
  /** Server settings of this run, as PGOPTIONS takes them, added to those of the archive. */
  readonly serverOptions?: string;
}

/** What pg_restore reported and passed over. */
export interface RunReport {
  readonly errors: readonly ReportedError[];
  /** Grants that the server did not give, which is no error for it. */
  readonly notices: readonly string[];
}

/** The archive of definitions as a local file, with its table of contents. */
export class SchemaArchive {
  readonly preData: readonly TocEntry[];
  readonly postData: readonly TocEntry[];
  readonly #file: string;
  readonly #options: ArchiveOptions;

  private constructor(
    file: string,
    options: ArchiveOptions,
    entries: { readonly preData: TocEntry[]; readonly postData: TocEntry[] },
  ) {
    this.#file = file;
    this.#options = options;
    this.preData = entries.preData;
    this.postData = entries.postData;
  }

  /** pg_restore needs a file that it can seek in: the definitions, a few megabytes even for thousands of tables. */
  static async open(compressed: Readable, options: ArchiveOptions): Promise<SchemaArchive> {
    const file = path.join(options.directory, 'schema.dump');
    await pipeline(decompressStream(compressed, 'zst'), createWriteStream(file, { mode: 0o600 }), {
      signal: options.signal,
    }).catch((error: unknown) => throwIfFull(error, options.directory));
    const listed = await listedIds(file, options);
    const entries = readTableOfContents(await readFile(file), options.decode).filter(({ id }) =>
      listed.has(id),
    );
    const preData = entries.filter(({ section }) => section === 'pre-data');
    const postData = entries.filter(({ section }) => section === 'post-data');
    return new SchemaArchive(file, options, { preData, postData });
  }

  /**
   * Restores the given entries as far as the server takes them.
   * @throws SOURCE_UNREACHABLE, SOURCE_CREDENTIALS, DISK_FULL, TOOL_FAILED when pg_restore itself did not come to its end
   */
  async run(name: string, options: RunOptions): Promise<RunReport> {
    if (options.entries.length === 0) return { errors: [], notices: [] };
    const list = path.join(this.#options.directory, `${name}.list`);
    await writeFile(list, options.entries.map(({ id }) => `${id};\n`).join(''), {
      mode: 0o600,
    }).catch((error: unknown) => throwIfFull(error, this.#options.directory));
    const errors = new ErrorLog();
    const args = [
      '--no-password',
      // Without it pg_restore does not say which entry an error is about.
      '--verbose',
      `--jobs=${options.jobs}`,
      '-L',
      list,
      '-d',
      this.#options.conninfo,
      ...(options.extraArgs ?? []),
      this.#file,
    ];
    const { PGOPTIONS: common = '', ...env } = this.#options.env;
    const child = startChild(this.#options.pgRestore, args, {
      env: { ...env, PGOPTIONS: `${common} ${options.serverOptions ?? ''}`.trim() },
      stdio: ['ignore', 'ignore', 'pipe'],
      signal: this.#options.signal,
      onErrorLine: (line) => errors.add(line),
      ...(this.#options.decode !== undefined && { decode: this.#options.decode }),
    });
    const end = await child.ended;
    if (this.#options.signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the restore was told to stop');
    const fatal = errors.fatal();
    if (end.code !== 0 && (fatal !== undefined || !errors.isComplete(options.jobs))) {
      const said = fatal === undefined ? child.errorTail().map(redact) : [redact(fatal)];
      throw errorFromLines(said, 'pg_restore failed') ?? toolFailed('pg_restore', end, said);
    }
    return { errors: errors.errors(options.entries), notices: errors.notices };
  }
}

/** The disk here, not the server's. */
function throwIfFull(error: unknown, directory: string): never {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  throw new HoldfastError(
    'DISK_FULL',
    `no room for the definitions in ${path.dirname(directory)}: ${(error as Error).message}`,
    { cause: error, hint: 'make room there, or set TMPDIR to a folder that has some' },
  );
}

/** What pg_restore would restore of the archive: not the database itself. */
async function listedIds(file: string, options: ArchiveOptions): Promise<ReadonlySet<number>> {
  const child = startChild(options.pgRestore, ['--list', file], {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const chunks: Buffer[] = [];
  for await (const chunk of child.process.stdout as Readable) chunks.push(chunk as Buffer);
  const end = await child.ended;
  if (options.signal.aborted) throw new HoldfastError('JOB_ABORTED', 'the restore was told to stop');
  if (end.code !== 0) throw toolFailed('pg_restore', end, child.errorTail().map(redact));
  const lines = Buffer.concat(chunks).toString('utf8').split('\n');
  return new Set(lines.flatMap((line) => /^\d+(?=; )/.exec(line)?.map(Number) ?? []));
}
