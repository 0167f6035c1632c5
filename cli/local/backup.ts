import { HoldfastError } from '../../core/errors.ts';
import { runBackup } from '../../core/jobs/run-backup.ts';
import { enginesNotBuilt } from '../../core/plan/schema-findings.ts';
import { formatBytes, formatCount, formatItems, formatSeconds } from '../progress.ts';
import { type CommonOptions, runCommand } from '../run-command.ts';
import { describeConnection, readConnection } from './connection.ts';
import { localJobContext, parseConnections } from './run-local.ts';
import { openLocalVault, requireSource, type VaultOptions } from './vault-place.ts';

export interface LocalBackupOptions extends CommonOptions, VaultOptions {
  readonly engine: string;
  readonly url: string;
  readonly source: string;
  readonly connections: string;
  readonly onDdl: string;
}

/** `holdfast local backup` */
export async function localBackup(options: LocalBackupOptions): Promise<void> {
  await runCommand(options, async (command) => {
    const begun = Date.now();
    requireEngine(options.engine);
    const onDdl = options.onDdl;
    if (onDdl !== 'yield' && onDdl !== 'hold') {
      throw new HoldfastError('USAGE', `--on-ddl is ${JSON.stringify(onDdl)}; allowed are yield and hold`);
    }
    const source = requireSource(options.source);
    const connections = parseConnections(options.connections);
    const connection = readConnection(options.url, process.env);
    const vault = await openLocalVault(options, { mayCreateKey: true, warn: command.warn });
    const job = await localJobContext(
      { source, connections, kind: 'backup', vault, doing: `backing up ${source}` },
      command,
    );
    command.progress.update({ doing: `backing up ${describeConnection(connection)}` });
    const point = await runBackup({
      ...job,
      connect: async () => connection,
      onDdl,
      // A person is waiting: a fault is told at once, and trying again is one key away.
      tries: 1,
    });
    const { items, rows, bytes, storedBytes } = point;
    const seconds = (Date.now() - begun) / 1000;
    return {
      json: { recoveryPointId: point.id, source, items, rows, bytes, storedBytes, seconds },
      text: `recovery point ${point.id}: ${formatCount(rows)} rows in ${formatItems(items)}, ${formatBytes(bytes)} stored as ${formatBytes(storedBytes)}, ${formatSeconds(seconds)}`,
    };
  });
}

function requireEngine(engine: string): void {
  if (engine === 'postgres') return;
  if (enginesNotBuilt.some((name) => name === engine)) {
    throw new HoldfastError(
      'NOT_SUPPORTED_YET',
      `the engine ${engine} is not supported yet; allowed is postgres`,
    );
  }
  throw new HoldfastError('USAGE', `--engine is ${JSON.stringify(engine)}; allowed is postgres`);
}
