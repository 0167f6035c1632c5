import { spawn } from 'node:child_process';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');

export interface CdkOptions {
  /** The environment of the sandbox; nothing of the person's own AWS settings gets through. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Runs the real `cdk` command against the sandbox. @throws SANDBOX with the end of what it printed */
export async function runCdk(args: readonly string[], options: CdkOptions): Promise<void> {
  const nodeDirectory = path.join(projectRoot, 'node_modules/node/bin');
  const program = path.join(projectRoot, 'node_modules/aws-cdk/bin/cdk');
  const child = spawn(path.join(nodeDirectory, 'node'), [program, '--no-notices', '--no-color', ...args], {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    env: {
      PATH: [nodeDirectory, '/usr/local/bin', '/usr/bin', '/bin'].join(path.delimiter),
      HOME: process.env['HOME'] ?? '/tmp',
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      CI: 'true',
      ...options.environment,
    },
  });
  const lines: string[] = [];
  const collect = (data: Buffer) => {
    lines.push(
      ...data
        .toString()
        .split('\n')
        .filter((line) => line.trim() !== ''),
    );
    if (lines.length > 400) lines.splice(0, lines.length - 400);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new HoldfastError('SANDBOX', `cdk ${args[0]} failed:\n  ${lines.slice(-25).join('\n  ')}`, {
      hint: `run it by hand with the environment that npx holdfast sandbox up prints`,
    });
  }
}
