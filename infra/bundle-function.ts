import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as esbuild from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');

/** 1.5 MB: what a cold start reads. A bundle beyond it took something along that it should not. */
export const bundleLimitBytes = 1_500_000;

/** Sources that change under three builds in a row are being worked on; a person has to come to rest first. */
const buildsAtMost = 3;

const options = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // ES modules first: CommonJS copies of the SDK cannot be shaken.
  mainFields: ['module', 'main'],
  minify: true,
  // Names of classes stand in logs and errors.
  keepNames: true,
  legalComments: 'none',
  outExtension: { '.js': '.mjs' },
  // What is still CommonJS inside asks for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'error',
} as const satisfies esbuild.BuildOptions;

/** What a bundle was made of: hashes of the settings, of every input as esbuild read it, and of the bundle. */
interface Stamp {
  readonly settings: string;
  readonly output: string;
  readonly inputs: Readonly<Record<string, string>>;
}

export interface BundleRequest {
  /** Source file, absolute or below the project. */
  readonly entry: string;
  /** Folder of all bundles; this one becomes `folder`/`name`/index.mjs, its stamp `folder`/`name`.inputs.json. */
  readonly folder: string;
  readonly name: string;
  /** esbuild's own plugins, asked before the sources are read. */
  readonly plugins?: readonly esbuild.Plugin[];
}

/**
 * Bundles one function, unless its bundle was made from exactly what its inputs are now. Inputs are hashed as esbuild reads
 * them and compared with the files once more after the build, so that a source that changes meanwhile makes it build again.
 * Every file is written aside and renamed: two builds into one folder at once leave whole files, and a bundle that is not
 * the stamp's counts as stale.
 * @throws Error when the bundle exceeds `bundleLimitBytes`, or the sources do not come to rest
 */
export async function bundleFunction(request: BundleRequest): Promise<void> {
  const outfile = path.join(request.folder, request.name, 'index.mjs');
  const stampFile = path.join(request.folder, `${request.name}.inputs.json`);
  const made = readStamp(stampFile);
  if (made !== undefined && made.output === hashIfThere(outfile) && isFresh(made, request.entry)) return;
  for (let n = 0; n < buildsAtMost; n++) {
    const { stamp, contents } = await build(request, outfile);
    if (!isFresh(stamp, request.entry)) continue;
    writeWhole(outfile, contents);
    writeWhole(stampFile, JSON.stringify(stamp));
    return;
  }
  throw new Error(
    `sources of ${request.entry} changed during each of ${buildsAtMost} builds; bundle it again when they no longer change`,
  );
}

async function build({ entry, plugins = [] }: BundleRequest, outfile: string) {
  const inputs: Record<string, string> = {};
  const { outputFiles } = await esbuild.build({
    ...options,
    entryPoints: [entry],
    outfile,
    write: false,
    plugins: [...plugins, recordInputs(inputs)],
  });
  // One entry without a source map is one file.
  const [{ contents }] = outputFiles as [esbuild.OutputFile];
  if (contents.byteLength > bundleLimitBytes)
    throw new Error(
      `bundle of ${entry} has ${contents.byteLength} bytes; allowed are at most ${bundleLimitBytes}`,
    );
  const sorted = Object.fromEntries(Object.entries(inputs).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const stamp: Stamp = { settings: settingsHash(entry), output: hash(contents), inputs: sorted };
  return { stamp, contents };
}

/** Gives esbuild the bytes that are hashed, so that no time lies between the two. */
function recordInputs(inputs: Record<string, string>): esbuild.Plugin {
  return {
    name: 'record-inputs',
    setup({ onLoad }) {
      onLoad({ filter: /.*/, namespace: 'file' }, async ({ path: file }) => {
        const contents = await fs.promises.readFile(file);
        inputs[path.relative(root, file)] = hash(contents);
        return { contents, loader: 'default' };
      });
    },
  };
}

/** Whether a bundle was made from what its inputs are now, by this esbuild with these options. */
function isFresh(made: Stamp, entry: string): boolean {
  return (
    made.settings === settingsHash(entry) &&
    Object.entries(made.inputs).every(([file, wanted]) => hashIfThere(path.resolve(root, file)) === wanted)
  );
}

function readStamp(file: string): Stamp | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Stamp;
  } catch {
    // Missing or damaged: building again is always right.
    return undefined;
  }
}

function settingsHash(entry: string): string {
  return hash(JSON.stringify([esbuild.version, options, entry]));
}

function hashIfThere(file: string): string | undefined {
  return fs.existsSync(file) ? hash(fs.readFileSync(file)) : undefined;
}

function hash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Beside the folder of the bundle, for what lies inside becomes part of the asset. */
export function writeWhole(file: string, data: string | Uint8Array): void {
  const folder = path.dirname(file);
  const aside = path.join(path.dirname(folder), `${randomUUID()}.tmp`);
  fs.mkdirSync(folder, { recursive: true });
  try {
    fs.writeFileSync(aside, data);
    fs.renameSync(aside, file);
  } finally {
    fs.rmSync(aside, { force: true });
  }
}
