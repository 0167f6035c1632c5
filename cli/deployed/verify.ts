import { HoldfastError } from '../../core/errors.ts';
import type { VerifyProblem } from '../../core/vault/vault.ts';
import { requirePointId } from '../local/vault-place.ts';
import { counted, formatBytes } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { latestInstead } from '../latest-instead.ts';
import {
  type Deployment,
  type DeploymentOptions,
  onlySource,
  openDeployment,
  sourceOf,
} from './deployment.ts';
import { commandIn, inRegion, isPeerSilent, type Question } from './in-region.ts';
import { type PinnedKey, pinnedKeyFile, readPinnedKey, renewPin } from './pinned-key.ts';
import { openDeployedVault, openVaultOffline } from './vault.ts';

export interface VerifyPointOptions extends DeploymentOptions {
  readonly source?: string;
  readonly deep?: boolean;
  readonly offline?: boolean;
  readonly publicKey?: string;
}

/** `holdfast verify ID`; exit code 1 when something is damaged. */
export async function verifyPoint(id: string, options: VerifyPointOptions): Promise<void> {
  await runCommand(options, async ({ progress, signal, warn }) => {
    const wanted = requirePointId(id);
    if (options.offline === true && options.deep === true) {
      throw new HoldfastError('USAGE', '--deep decrypts, which needs KMS; allowed is --deep or --offline');
    }
    const deployment = await openDeployment(options);
    const source = sourceOf(deployment.plan, options.source ?? onlySource(deployment.plan)).id;
    const pin = await publicKeyOf(deployment, options);
    progress.update({ doing: `verifying ${wanted} of ${source} in ${deployment.region}` });
    const peerSilence = isPeerSilent(deployment, 'vault');
    const question = questionOf(deployment, { wanted, source, options });
    const { report, latest } = await inRegion(deployment, question, async () => {
      const vault =
        options.offline === true && pin !== undefined
          ? await openVaultOffline(deployment, pin.pem)
          : await openDeployedVault(deployment, pin);
      const checked = await vault.verify(source, wanted, {
        deep: options.deep === true,
        offline: options.offline === true,
        signal,
      });
      return { report: checked, latest: await latestInstead(vault, source, { wanted, report: checked }) };
    });
    const alone = await peerSilence;
    const { peerRegion } = deployment;
    if (alone) warn(onlyHere(deployment, { wanted, source }));
    for (const line of latest.lines) warn(line);
    if (pin !== undefined && report.problems.some(({ code }) => code === 'MANIFEST_SIGNATURE'))
      warn(`signatures were checked against ${pin.file}; ${renewPin(pin.file)}`);
    const problems = report.problems.map(({ key, code, detail, recoverable }) => ({
      key,
      code,
      detail,
      recoverable,
    }));
    const summary = `recovery point ${report.recoveryPointId} in ${deployment.region}: ${counted(report.objects, 'object')}, ${formatBytes(report.storedBytes)}`;
    const rows = problems.map((p) => [p.code, fateOf(p), p.key, p.detail]);
    if (report.thaw !== undefined) warn(`${report.thaw.detail}: ${report.thaw.hint}`);
    return {
      json: {
        ok: report.ok,
        recoveryPointId: report.recoveryPointId,
        region: deployment.region,
        ...(alone && { notAnswering: [peerRegion] }),
        deep: options.deep === true,
        objects: report.objects,
        storedBytes: report.storedBytes,
        problems,
        ...(latest.passedOver !== undefined && { latest: latest.id, passedOver: latest.passedOver }),
        ...(report.thaw !== undefined && { thaw: report.thaw }),
      },
      text: report.ok
        ? `${summary}, all whole${options.deep === true ? ', readable' : ''} and signed`
        : `${table(['CODE', 'STATE', 'OBJECT', 'DETAIL'], rows)}\n${summary}: ${counted(problems.length, 'problem')}`,
      exitCode: report.ok ? 0 : 1,
    };
  });
}

/** What it means for a point that nobody could look at its copy. */
function onlyHere(deployment: Deployment, { wanted, source }: Pick<Wanted, 'wanted' | 'source'>): string {
  const { region, peerRegion } = deployment;
  const newer = wanted === 'latest' ? `, and newer points may be in ${peerRegion} alone` : '';
  const list = commandIn(deployment, region, `recovery-points ${source}`);
  return `${peerRegion} does not answer: only the copy in ${region} was looked at${newer}; what can be restored here: ${list}`;
}

interface Wanted {
  readonly wanted: string;
  readonly source: string;
  readonly options: VerifyPointOptions;
}

function questionOf(deployment: Deployment, { wanted, source, options }: Wanted): Question {
  const flags = `${options.deep === true ? ' --deep' : ''}${options.offline === true ? ' --offline' : ''}`;
  const words = `verify ${wanted} --source ${source}${flags}`;
  const there = commandIn(deployment, deployment.peerRegion, words);
  const offline = 'if it is KMS alone that is silent here, --offline does not ask it';
  return {
    undone: `recovery point ${wanted} of ${source} was not verified`,
    instead: flags === '' ? `${there}; ${offline}` : there,
  };
}

/** What the problem means for a restore. */
function fateOf({ code, recoverable }: Pick<VerifyProblem, 'code' | 'recoverable'>): string {
  if (code === 'ARCHIVED') return 'thaw first';
  return recoverable ? 'recoverable' : 'LOST';
}

/** The pinned key; `undefined` only where KMS may be asked for it. */
async function publicKeyOf(
  deployment: Deployment,
  options: VerifyPointOptions,
): Promise<PinnedKey | undefined> {
  const pinned = pinnedKeyFile(deployment);
  const file = options.publicKey ?? pinned;
  const pem = await readPinnedKey(file);
  if (pem !== undefined) return { file, pem };
  if (options.publicKey !== undefined) throw new HoldfastError('USAGE', `--public-key ${file} is not there`);
  if (options.offline !== true) return undefined;
  throw new HoldfastError('USAGE', `--offline needs the public signing key, and ${pinned} is not there`, {
    hint: `holdfast doctor --plan ${deployment.planFile} writes it while KMS answers: run it now, before it is needed, and commit the file; or name another with --public-key`,
  });
}
