import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

const projectRoot = path.resolve(import.meta.dirname, '../..');

/** Where a clone keeps the records of its one detached sandbox; a test that plays its commands names another folder. */
export const defaultRecords =
  process.env['HOLDFAST_SANDBOX_RECORDS'] ?? path.join(projectRoot, '.cache/sandbox');

const port = z.int().min(1).max(65_535);

/** Written before anything starts, so that whatever is left of a sandbox that crashed can be found. */
const processSchema = z.object({
  /** Leads the process group of everything but the containers. */
  pid: z.int().positive(),
  /** Every file, socket and data directory of the sandbox is below it. */
  directory: z.string(),
  since: z.iso.datetime(),
  options: z.object({
    deploy: z.boolean(),
    port: port.optional(),
    databasePorts: z.tuple([port, port]).optional(),
  }),
});
export type ProcessRecord = Readonly<z.infer<typeof processSchema>>;

/** Written when the sandbox is ready. */
const stateSchema = z.object({
  pid: z.int().positive(),
  endpoint: z.url(),
  regions: z.object({ primary: z.string(), standby: z.string() }),
  ports: z.object({ endpoint: port, shop: port, restored: port }),
  since: z.iso.datetime(),
  deployed: z.boolean(),
});
export type SandboxState = Readonly<z.infer<typeof stateSchema>>;

const processFile = (records: string) => path.join(records, 'process.json');
const stateFile = (records: string) => path.join(records, 'state.json');

export function readProcess(records: string): ProcessRecord | undefined {
  return read(processFile(records), processSchema);
}

/** False when there is one already: somebody else was quicker. */
export function claimProcess(records: string, record: ProcessRecord): boolean {
  fs.mkdirSync(records, { recursive: true });
  // Linked into place whole, and only where none is: readers never see half a record.
  const partial = `${processFile(records)}.${record.pid}`;
  fs.writeFileSync(partial, JSON.stringify(record));
  try {
    fs.linkSync(partial, processFile(records));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.rmSync(partial, { force: true });
  }
}

export function readState(records: string): SandboxState | undefined {
  return read(stateFile(records), stateSchema);
}

export function writeState(records: string, state: SandboxState): void {
  const partial = `${stateFile(records)}.${state.pid}`;
  fs.writeFileSync(partial, `${JSON.stringify(state, null, 2)}\n`);
  fs.renameSync(partial, stateFile(records));
}

/** Removes the records and the sandbox's own directory. */
export function removeRecords(records: string, record: ProcessRecord | undefined): void {
  const options = { recursive: true, force: true, maxRetries: 5 } as const;
  if (record !== undefined) fs.rmSync(record.directory, options);
  fs.rmSync(records, options);
}

function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(fs.readFileSync(file, 'utf8')));
  } catch (error) {
    // A record of another version, or one that a crash cut off, tells nothing.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
