import { type CommonOptions, runCommand } from './run-command.ts';
export async function runSandbox(_name: string, options: CommonOptions): Promise<void> {
  await runCommand(options, async () => ({ json: {}, text: '' }));
}
export async function switchRegion(_name: string, _region: string, options: CommonOptions): Promise<void> {
  await runCommand(options, async () => ({ json: {}, text: '' }));
}
