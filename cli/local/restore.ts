import { canaryKey } from '../../core/canary/canary.ts';
import { readCanarySecret } from '../../core/vault/key-file.ts';
import { errorCodeOf } from '../../core/errors.ts';
import { runRestore } from '../../core/jobs/run-restore.ts';
import { describeRestored, exitCodeOf, restoredJson, resultOf, stoppedRestore } from '../restore-report.ts';
import { formatCount, formatItems, formatSeconds } from '../progress.ts';
import { type CommonOptions, runCommand } from '../run-command.ts';
import { describeConnection, readConnection } from './connection.ts';
import { localJobContext, parseConnections } from './run-local.ts';
import {
  defaultKeyFile,
  openLocalVault,
  requirePointId,
  requireSource,
  sourceIn,
  type VaultOptions,
} from './vault-place.ts';

export interface LocalRestoreOptions extends CommonOptions, VaultOptions {
  readonly source?: string;
  readonly to: string;
  readonly table?: readonly string[];
  readonly strict?: boolean;
  readonly connections: string;
}

/** `holdfast local restore` */
export async function localRestore(id: string, options: LocalRestoreOptions): Promise<void> {
  await runCommand(options, async (command) => {
    const begun = Date.now();
    const recoveryPointId = requirePointId(id, 'holdfast local list');
    if (options.source !== undefined) requireSource(options.source);
    const connections = parseConnections(options.connections);
    const connection = readConnection(options.to, process.env);
    const vault = await openLocalVault(options, { mayCreateKey: false, warn: command.warn });
    const source = await sourceIn(vault, options.source);
    const warn = once(command.warn);
    const job = await localJobContext(
      { source, connections, kind: 'restore', vault, doing: `restoring ${source}` },
      { ...command, warn },
    );
    command.progress.update({ doing: `checking ${recoveryPointId} before the restore` });
    const about = { kind: 'restore', tables: options.table } as const;
    const result = await runRestore({
      ...job,
      recoveryPointId,
      connect: async () => connection,
      // A plan has assertions; here is none.
      assertions: [],
      canaryKey: async () =>
        canaryKey(await readCanarySecret(options.keyFile ?? defaultKeyFile(process.env), source)),
      canaryCommand: `holdfast local canary install --source ${source}`,
      ...(options.table !== undefined && { tables: options.table }),
      ...(options.strict !== undefined && { strict: options.strict }),
    }).catch((error: unknown) => {
      for (const line of describeRestored(resultOf(error) ?? {}, { ...about, errorCode: errorCodeOf(error) }))
        command.progress.say(line);
      throw stoppedRestore(error, options.table);
    });
    for (const warning of result.warnings ?? []) warn(warning);
    const { items, rows } = result;
    const seconds = (Date.now() - begun) / 1000;
    return {
      json: { recoveryPointId: result.recoveryPointId, items, rows, seconds, ...restoredJson(result) },
      text: [
        `restored ${result.recoveryPointId} into ${describeConnection(connection)}: ${formatCount(rows)} rows in ${formatItems(items)}, ${formatSeconds(seconds)}`,
        ...describeRestored(result, about),
      ].join('\n'),
      exitCode: exitCodeOf(result),
    };
  });
}

/** What was said while it ran is not said again at its end. */
function once(warn: (message: string) => void): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (!said.has(message)) warn(message);
    said.add(message);
  };
}
