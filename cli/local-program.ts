import type { Command } from 'commander';
import { addLocalCanaryCommands } from './local-canary-program.ts';
import { collect, command, group, strictAbout } from './command.ts';

const vaultAbout = 'where backups are: a folder, file:///folder or s3://bucket/prefix';
const keyAbout = 'key file of the vault (default: ~/.config/holdfast/vault.key)';
const urlAbout =
  'postgres://user@host:5432/database; - reads it from standard input. The password may also come from PGPASSWORD or PGPASSFILE, which no process list shows';

/** `local backup|restore|verify|list`: the same engine and vault without AWS, on any host. */
export function addLocalCommands(program: Command): void {
  const local = group(program, 'local', 'back up and restore on this host, without a deployment');
  addLocalCanaryCommands(local);
  addBackup(local);
  addRestore(local);
  command(local, 'verify <id>', {
    about: 'read everything of a recovery point again and say what is damaged; id or latest',
    examples: ['holdfast local verify latest --vault ./backups --source shop-db'],
  })
    .requiredOption('--vault <place>', vaultAbout)
    .option('--source <name>', 'name of the source in the vault (default: the only one)')
    .option('--key-file <file>', keyAbout)
    .action(async (id: string, options) => (await import('./local/verify.ts')).localVerify(id, options));
  command(local, 'list', {
    about:
      'list the recovery points of a vault, newest first; ITEMS counts what is stored apart: tables, definitions, sequences, rights',
    examples: ['holdfast local list --vault ./backups'],
  })
    .requiredOption('--vault <place>', vaultAbout)
    .option('--source <name>', 'only this source')
    .option('--key-file <file>', keyAbout)
    .action(async (options) => (await import('./local/list.ts')).localList(options));
}

function addBackup(local: Command): void {
  command(local, 'backup', {
    about: 'back up a database into a vault',
    examples: [
      'holdfast local backup --url postgres://me@localhost/shop --vault ./backups --source shop-db',
      'echo "$URL" | holdfast local backup --url - --vault s3://my-bucket/vault --source shop-db --json',
    ],
  })
    .option('--engine <name>', 'what the database is; there is one yet', 'postgres')
    .requiredOption('--url <url>', urlAbout)
    .requiredOption('--vault <place>', vaultAbout)
    .requiredOption('--source <name>', 'name of the source in the vault: 2 to 63 of a-z, 0-9 and -')
    .option('--key-file <file>', `${keyAbout}; made on first use`)
    .option('--connections <n>', 'tables that are read in parallel, 1 to 64', '4')
    .option('--on-ddl <what>', 'when a schema change waits behind the backup: yield or hold', 'yield')
    .action(async (options) => (await import('./local/backup.ts')).localBackup(options));
}

function addRestore(local: Command): void {
  command(local, 'restore <id>', {
    about: 'restore a recovery point (an id or latest) into an empty database',
    examples: [
      'holdfast local restore latest --vault ./backups --source shop-db --to postgres://me@localhost/shop_restored',
      'holdfast local restore latest --vault ./backups --source shop-db --to postgres://me@localhost/part --table public.orders',
    ],
  })
    .requiredOption('--vault <place>', vaultAbout)
    .option('--source <name>', 'name of the source in the vault (default: the only one)')
    .requiredOption('--to <url>', `an empty database: ${urlAbout}`)
    .option('--table <schema.table>', 'only this table; may be given several times', collect)
    .option('--strict', strictAbout)
    .option('--key-file <file>', keyAbout)
    .option('--connections <n>', 'tables that are written in parallel, 1 to 64', '4')
    .action(async (id: string, options) => (await import('./local/restore.ts')).localRestore(id, options));
}
