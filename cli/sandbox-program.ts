import type { Command } from 'commander';
import { command, group } from './command.ts';

/** `sandbox up|down|status|reset|kill-region|revive-region`: the local AWS. */
export function addSandboxCommands(program: Command): void {
  const sandbox = group(program, 'sandbox', 'a local AWS with two Regions, to play with and to break');
  const load = () => import('./sandbox-commands.ts');
  command(sandbox, 'up', {
    about: 'start it in the background, deploy examples/drill.yaml with a small shop, and say what to try',
    examples: ['holdfast sandbox up'],
  })
    .option('--no-deploy', 'leave both Regions empty but for the secrets')
    .option('--port <port>', 'of the endpoint (default: a free one)')
    .action(async (options) => (await load()).runUp(options));
  command(sandbox, 'down', {
    about: 'stop it and leave nothing behind, also after a crash',
    examples: ['holdfast sandbox down'],
  }).action(async (options) => (await load()).runDown(options));
  command(sandbox, 'status', {
    about: 'say which Regions are alive, what runs and how many calls were made',
    examples: ['holdfast sandbox status'],
  }).action(async (options) => (await load()).runStatus(options));
  command(sandbox, 'reset', {
    about: 'throw away everything in it and start anew at the same endpoint',
    examples: ['holdfast sandbox reset'],
  }).action(async (options) => (await load()).runReset(options));
  for (const name of ['kill-region', 'revive-region'] as const) {
    const about = name === 'kill-region' ? 'let a Region die' : 'bring a Region back';
    command(sandbox, `${name} <region>`, { about, examples: [`holdfast sandbox ${name} us-east-1`] }).action(
      async (region: string, options) => (await load()).switchRegion(name, region, options),
    );
  }
}
