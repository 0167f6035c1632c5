import { counted, formatBytes } from '../progress.ts';
import { type CommonOptions, runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { latestInstead } from '../latest-instead.ts';
import { openLocalVault, requirePointId, requireSource, sourceIn, type VaultOptions } from './vault-place.ts';

export interface LocalVerifyOptions extends CommonOptions, VaultOptions {
  readonly source?: string;
}

/** `holdfast local verify`: reads, decrypts and decompresses everything. */
export async function localVerify(id: string, options: LocalVerifyOptions): Promise<void> {
  await runCommand(options, async (command) => {
    if (options.source !== undefined) requireSource(options.source);
    const wanted = requirePointId(id, 'holdfast local list');
    const vault = await openLocalVault(options, { mayCreateKey: false, warn: command.warn });
    const source = await sourceIn(vault, options.source);
    command.progress.update({ doing: `verifying ${id}` });
    const report = await vault.verify(source, wanted, {
      deep: true,
      offline: true,
      signal: command.signal,
    });
    const problems = report.problems.map(({ key, code, detail }) => ({ key, code, detail }));
    const { lines } = await latestInstead(vault, source, { wanted, report });
    for (const line of lines) command.warn(line);
    if (report.thaw !== undefined) command.warn(`${report.thaw.detail}: ${report.thaw.hint}`);
    const summary = `recovery point ${report.recoveryPointId}: ${counted(report.objects, 'object')}, ${formatBytes(report.storedBytes)}`;
    return {
      json: { ok: report.ok, problems },
      text: report.ok
        ? `${summary}, all whole, readable and signed`
        : `${table(
            ['CODE', 'OBJECT', 'DETAIL'],
            problems.map((p) => [p.code, p.key, p.detail]),
          )}\n${summary}: ${counted(problems.length, 'problem')}`,
      exitCode: report.ok ? 0 : 1,
    };
  });
}
