import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { lambdaNames } from '../core/plan/names.ts';
import type { Plan } from '../core/plan/plan.ts';

const root = path.resolve(import.meta.dirname, '..');

/** Entry point of every function that is deployed, by the name of its bundle. */
export const functionEntries: Readonly<Record<string, string>> = {
  ...Object.fromEntries(lambdaNames.map((name) => [name, `lambdas/${name}/handler.ts`])),
  'find-key': 'infra/custom-resources/find-key.handler.ts',
  'set-replication': 'infra/custom-resources/set-replication.handler.ts',
};

/** 1.5 MB: what a cold start reads. A bundle beyond it took something along that it should not. */
export const bundleLimitBytes = 1_500_000;

const options: esbuild.BuildOptions = {
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
};

/**
 * Bundles every function, or those of the `names`, into `folder`/<name>/index.mjs with the plan beside it, and returns the folder. A bundle whose
 * inputs did not change is not built again; one whose bytes did not change makes no new asset.
 */
export function buildLambdas(
  plan: Plan,
  folder = path.join(root, '.cache/functions', plan.name),
  names = Object.keys(functionEntries),
): string {
  for (const [name, entry] of Object.entries(functionEntries).filter(([one]) => names.includes(one))) {
    const target = path.join(folder, name);
    const stamp = path.join(folder, `${name}.inputs.json`);
    fs.mkdirSync(target, { recursive: true });
    if (!isFresh(target, stamp)) build(entry, target, stamp);
    if (entry.startsWith('lambdas/')) writeWhenChanged(path.join(target, 'plan.json'), JSON.stringify(plan));
  }
  return folder;
}

function build(entry: string, target: string, stamp: string): void {
  const outfile = path.join(target, 'index.mjs');
  const { metafile } = esbuild.buildSync({ ...options, entryPoints: [entry], outfile, metafile: true });
  const { size } = fs.statSync(outfile);
  if (size > bundleLimitBytes) {
    throw new Error(`bundle of ${entry} has ${size} bytes; allowed are ${bundleLimitBytes}`);
  }
  const inputs = Object.keys(metafile.inputs).toSorted();
  fs.writeFileSync(
    stamp,
    JSON.stringify({ settings: settingsHash(), output: hashFile(outfile), inputs: hashAll(inputs) }),
  );
}

interface Stamp {
  readonly settings: string;
  readonly output: string;
  readonly inputs: Readonly<Record<string, string>>;
}

/** Whether the bundle was made from what its inputs are now, by this esbuild with these options. */
function isFresh(target: string, stamp: string): boolean {
  try {
    const made = JSON.parse(fs.readFileSync(stamp, 'utf8')) as Stamp;
    return (
      made.settings === settingsHash() &&
      made.output === hashFile(path.join(target, 'index.mjs')) &&
      Object.entries(made.inputs).every(([file, hash]) => hashFile(path.join(root, file)) === hash)
    );
  } catch {
    // Missing, or left half-written by a build that was stopped: building again is always right.
    return false;
  }
}

function hashAll(files: readonly string[]): Record<string, string> {
  return Object.fromEntries(files.map((file) => [file, hashFile(path.join(root, file))]));
}

function hashFile(file: string): string {
  return hash(fs.readFileSync(file));
}

function settingsHash(): string {
  return hash(JSON.stringify([esbuild.version, options, functionEntries]));
}

function hash(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function writeWhenChanged(file: string, text: string): void {
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) return;
  fs.writeFileSync(file, text);
}
