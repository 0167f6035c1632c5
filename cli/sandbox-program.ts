import type { Command } from 'commander';
import { command, group } from './command.ts';

/** `sandbox up|down|status|reset|kill-region|revive-region`: the local AWS. */
export function addSandboxCommands(program: Command): void {
  const sandbox = group(program, 'sandbox', 'a local AWS with two Regions, to play with and to break');
  const plain = [
    ['up', 'start it and say what to try', 'holdfast sandbox up'],
    ['down', 'stop it and leave nothing behind', 'holdfast sandbox down'],
    ['status', 'say whether it runs, and which Regions are alive', 'holdfast sandbox status'],
    ['reset', 'throw away everything in it', 'holdfast sandbox reset'],
  ] as const;
  for (const [name, about, example] of plain) {
    command(sandbox, name, { about, examples: [example] }).action(async (options) =>
      (await import('./sandbox-commands.ts')).runSandbox(name, options),
    );
  }
  for (const name of ['kill-region', 'revive-region'] as const) {
    const about = name === 'kill-region' ? 'let a Region die' : 'bring a Region back';
    command(sandbox, `${name} <region>`, { about, examples: [`holdfast sandbox ${name} us-east-1`] }).action(
      async (region: string, options) =>
        (await import('./sandbox-commands.ts')).switchRegion(name, region, options),
    );
  }
}
