import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Sandbox } from '../sandbox.ts';
import { cachedAssembly } from './assembly-cache.ts';
import { runCdk } from './cdk.ts';
import { readBack } from './read-back.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');
/** Deployed into sandboxes alone: its account is of AWS's documentation. */
const sandboxPlan = path.join(projectRoot, 'examples/drill.yaml');

export interface DeployOptions {
  readonly planFile: string;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: string) => void;
}

/** Bootstraps both Regions, deploys the app with the real `cdk deploy`, and reads back what the product relies on. */
export async function deploySandbox(sandbox: Sandbox, options: DeployOptions): Promise<Plan> {
  const plan = await loadPlan(options.planFile);
  const { primary, standby } = plan.regions;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  if (path.resolve(options.planFile) === sandboxPlan) await forgetPin(plan);
  options.onStep?.('bootstrapping both Regions');
  const [assembly] = await Promise.all([
    synthesize(plan.name, options.planFile, signal),
    ...[primary, standby].map((region) =>
      runCdk(['bootstrap', `aws://${plan.account}/${region}`, '--app', ''], {
        environment: sandbox.environment(region),
        ...signal,
      }),
    ),
  ]);
  options.onStep?.('deploying the stacks');
  await runCdk(['deploy', '--all', '--app', assembly, '--concurrency', '3', '--require-approval', 'never'], {
    environment: sandbox.environment(primary),
    ...signal,
  });
  options.onStep?.('reading the deployed properties back');
  await readBack(sandbox, plan);
  return plan;
}

/** What doctor pinned for the sandbox before this one: its keys are gone, and whoever verifies would be shown a forgery. */
async function forgetPin(plan: Plan): Promise<void> {
  const file = path.join(path.dirname(sandboxPlan), deploymentNames(plan).signingKeyFile);
  await fs.promises.rm(file, { force: true });
}

/** The assembly depends on sources and plan alone, so it is kept until one of them changes. */
function synthesize(name: string, planFile: string, signal: { signal?: AbortSignal }): Promise<string> {
  const cache = path.join(projectRoot, '.cache/assembly', name);
  return cachedAssembly(cache, hashOfInputs(planFile), (folder) =>
    runCdk(
      // Images and keys that were recorded for a real account mean nothing here.
      ['synth', '--quiet', '--output', folder, '-c', `plan=${path.resolve(planFile)}`, '-c', 'recorded=none'],
      { environment: {}, ...signal },
    ),
  );
}

function hashOfInputs(planFile: string): string {
  const hash = createHash('sha256').update(fs.readFileSync(planFile));
  for (const folder of ['core', 'infra', 'lambdas', 'statemachines']) {
    const names = fs
      .readdirSync(path.join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
      .sort();
    for (const name of names) {
      const file = path.join(projectRoot, folder, name);
      if (/\.(ts|json)$/.test(name) && !name.includes('.test.'))
        hash.update(name).update(fs.readFileSync(file));
    }
  }
  for (const name of ['package-lock.json', 'cdk.json'])
    hash.update(fs.readFileSync(path.join(projectRoot, name)));
  return hash.digest('hex').slice(0, 24);
}
