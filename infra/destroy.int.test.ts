import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCdk } from '../sandbox/deploy/cdk.ts';
import { readBack } from '../sandbox/deploy/read-back.ts';
import { type Sandbox, startSandbox } from '../sandbox/sandbox.ts';
import { loadPlan } from '../core/plan/load-plan.ts';
import type { Plan } from '../core/plan/plan.ts';

const planFile = path.resolve(import.meta.dirname, '../examples/acme.yaml');
const assembly = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-assembly-'));

let plan: Plan;
let sandbox: Sandbox;
const cdk = (region: string, ...args: string[]) =>
  runCdk([...args], { environment: sandbox.environment(region) });

beforeAll(async () => {
  plan = await loadPlan(planFile);
  sandbox = await startSandbox();
  const { primary, standby } = plan.regions;
  await Promise.all([
    runCdk(['synth', '--quiet', '--output', assembly, '-c', `plan=${planFile}`], { environment: {} }),
    ...[primary, standby].map((region) =>
      cdk(region, 'bootstrap', `aws://${plan.account}/${region}`, '--app', ''),
    ),
  ]);
}, 180_000);
afterAll(async () => {
  await sandbox.down();
  fs.rmSync(assembly, { recursive: true, force: true });
});

/** Five stacks one after the other, as on an empty account. */
const deploy = () =>
  cdk(plan.regions.primary, 'deploy', '--all', '--app', assembly, '--require-approval', 'never');
const outputs = async (name: string) => {
  const file = path.join(assembly, 'outputs.json');
  await cdk(plan.regions.primary, 'deploy', name, '--exclusively', '--app', assembly, '--outputs-file', file);
  return JSON.stringify(JSON.parse(fs.readFileSync(file, 'utf8')));
};

describe('cdk destroy', () => {
  it('keeps buckets, locks, policies, replication, keys and catalogue, and says so before', async () => {
    await deploy();
    await readBack(sandbox, plan);
    expect(await outputs('Holdfast-acme-Vault')).toContain('cdk destroy keeps vault');

    await cdk(plan.regions.primary, 'destroy', '--all', '--app', assembly, '--force');

    // All that acts is gone, in both Regions; of what must outlive it nothing is missing.
    await expect(readBack(sandbox, plan)).rejects.toMatchObject({
      message: [
        'the deployment lacks what the product relies on:',
        'us-east-1: the three state machines',
        'us-east-1: the task definitions',
        'us-west-2: the three state machines',
        'us-west-2: the task definitions',
      ].join('\n  '),
    });
  }, 240_000);
});
