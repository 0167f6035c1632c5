import fs from 'node:fs';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { requirePointId } from '../local/vault-place.ts';
import { formatBytes } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { table } from '../tables.ts';
import { type Deployment, type DeploymentOptions, inRegion, openDeployment, sourceOf } from './deployment.ts';
import { openDeployedVault } from './vault.ts';

export interface VerifyPointOptions extends DeploymentOptions {
  readonly source?: string;
  readonly deep?: boolean;
  readonly offline?: boolean;
  readonly publicKey?: string;
}

/** `holdfast verify ID`; exit code 1 when something is damaged. */
export async function verifyPoint(id: string, options: VerifyPointOptions): Promise<void> {
  await runCommand(options, async ({ progress, signal }) => {
    const wanted = requirePointId(id);
    const deployment = await openDeployment(options);
    const source = sourceOf(deployment.plan, options.source ?? onlySource(deployment)).id;
    const pem = readPublicKey(deployment, options);
    progress.update({ doing: `verifying ${wanted} of ${source} in ${deployment.region}` });
    const report = await inRegion(deployment, async () => {
      const vault = await openDeployedVault(deployment, pem);
      return vault.verify(source, wanted, {
        deep: options.deep === true,
        offline: options.offline === true,
        signal,
      });
    });
    const problems = report.problems.map(({ key, code, detail, recoverable }) => ({
      key,
      code,
      detail,
      recoverable,
    }));
    const summary = `recovery point ${report.recoveryPointId} in ${deployment.region}: ${report.objects} objects, ${formatBytes(report.storedBytes)}`;
    const rows = problems.map((p) => [p.code, p.recoverable ? 'recoverable' : 'LOST', p.key, p.detail]);
    return {
      json: {
        ok: report.ok,
        recoveryPointId: report.recoveryPointId,
        region: deployment.region,
        objects: report.objects,
        storedBytes: report.storedBytes,
        problems,
      },
      text: report.ok
        ? `${summary}, all whole and signed`
        : `${table(['CODE', 'STATE', 'OBJECT', 'DETAIL'], rows)}\n${summary}: ${problems.length} problems`,
      exitCode: report.ok ? 0 : 1,
    };
  });
}

function onlySource({ plan }: Deployment): string {
  const [first, second] = plan.sources;
  if (first !== undefined && second === undefined) return first.id;
  const known = plan.sources.map((source) => source.id).join(', ');
  throw new HoldfastError('USAGE', `--source is missing; the plan has ${known}`);
}

function readPublicKey({ planFile }: Deployment, options: VerifyPointOptions): string | undefined {
  const pinned = path.join(path.dirname(planFile), 'signing-key.pub.pem');
  const file = options.publicKey ?? (fs.existsSync(pinned) ? pinned : undefined);
  if (file === undefined) {
    if (options.offline !== true) return undefined;
    throw new HoldfastError('USAGE', '--offline needs the public half of the signing key', {
      hint: `name it with --public-key, or keep it as ${pinned}`,
    });
  }
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new HoldfastError('USAGE', `--public-key ${file} cannot be read`, { cause: error });
  }
}
