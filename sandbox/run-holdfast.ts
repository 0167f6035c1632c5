import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Sandbox } from './sandbox.ts';

const program = path.resolve(import.meta.dirname, '../cli/main.ts');

export interface HoldfastCall {
  readonly sandbox: Sandbox;
  readonly region: string;
  readonly planFile: string;
  readonly args: readonly string[];
  /** For what must stand in no argument list. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The product's own command, as somebody on call would type it, against the sandbox. @throws when its exit code is not 0 */
export async function runHoldfast({
  sandbox,
  region,
  planFile,
  args,
  environment,
}: HoldfastCall): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [program, ...args, '--plan', planFile, '--region', region, '--json'],
    {
      env: { PATH: process.env['PATH'], ...sandbox.environment(region), ...environment },
      maxBuffer: 16 << 20,
    },
  );
  return JSON.parse(stdout);
}
