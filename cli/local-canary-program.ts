import type { Command } from 'commander';
import { command, group } from './command.ts';

const keyAbout = 'key file of the vault (default: ~/.config/holdfast/vault.key)';
const sourceAbout = 'name that its backups have in the vault; each source has a canary key of its own';
const ownerAbout =
  'an owner of the database, postgres://user@host:5432/database; - reads it from standard input. The password may also come from PGPASSWORD or PGPASSFILE';

/** `local canary install|remove|status|write`: canaries on a host without a deployment. */
export function addLocalCanaryCommands(local: Command): void {
  const canary = group(local, 'canary', 'signed heartbeat rows, which measure how far restored data reaches');
  command(canary, 'install', {
    about: 'make the canary table and the role that writes it in a database',
    examples: ['holdfast local canary install --source shop-db --url postgres://owner@localhost/shop'],
  })
    .requiredOption('--source <name>', sourceAbout)
    .requiredOption('--url <url>', ownerAbout)
    .option('--schema <name>', 'schema of the table', 'holdfast')
    .option('--key-file <file>', `${keyAbout}; made on first use`)
    .action(async (options) => (await import('./local/canary.ts')).localCanaryInstall(options));
  command(canary, 'write', {
    about: 'write one signed row, or one after another until stopped',
    examples: ['holdfast local canary write --source shop-db --url postgres://localhost/shop --every 60s'],
  })
    .requiredOption('--source <name>', sourceAbout)
    .requiredOption(
      '--url <url>',
      'the database; without a user in it as holdfast_canary, whose password follows from the key file',
    )
    .option('--every <duration>', 'go on writing, 1s to 1h apart')
    .option('--key-file <file>', keyAbout)
    .action(async (options) => (await import('./local/canary.ts')).localCanaryWrite(options));
  command(canary, 'status', {
    about: 'say how old the newest genuine row is; exit code 1 when it is too old',
    examples: ['holdfast local canary status --source shop-db --url postgres://me@localhost/shop'],
  })
    .requiredOption('--source <name>', sourceAbout)
    .requiredOption('--url <url>', 'any user of the database')
    .option('--every <duration>', 'what is too old: three times this', '60s')
    .option('--key-file <file>', keyAbout)
    .action(async (options) => (await import('./local/canary.ts')).localCanaryStatus(options));
  command(canary, 'remove', {
    about: 'remove the canary table and its role from a database',
    examples: ['holdfast local canary remove --url postgres://owner@localhost/shop'],
  })
    .requiredOption('--url <url>', ownerAbout)
    .action(async (options) => (await import('./local/canary.ts')).localCanaryRemove(options));
}
