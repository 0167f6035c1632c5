import fs from 'node:fs';
import path from 'node:path';
import { App } from 'aws-cdk-lib';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { functionEntries } from '../build-lambdas.ts';
import type { Deployment } from '../deployment.ts';
import { buildStacks } from '../stacks/build-stacks.ts';
import { resolveApp } from './resolve.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** An app with the context of cdk.json, as `cdk synth` would give it. */
export function testApp(): App {
  const settings = JSON.parse(fs.readFileSync(path.join(root, 'cdk.json'), 'utf8')) as {
    readonly context: Record<string, unknown>;
  };
  // `cdk synth` checks templates against CloudFormation's schemas as well, in four seconds; once in CI is enough.
  const context = { ...settings.context, '@aws-cdk/core:validateAgainstDefaultRules': false };
  return new App({ context, analyticsReporting: false });
}

export async function examplePlan(name: 'acme' | 'drill' | 'minimal' | 'rds-iam' = 'acme'): Promise<Plan> {
  return loadPlan(path.join(root, `examples/${name}.yaml`));
}

/** Bundles are not what is tested here, so each function gets a line of its own. */
export function testDeployment(plan: Plan, folder: string): Deployment {
  for (const name of Object.keys(functionEntries)) {
    fs.mkdirSync(path.join(folder, name), { recursive: true });
    fs.writeFileSync(path.join(folder, name, 'index.mjs'), `export const handler = () => '${name}';\n`);
  }
  return {
    plan,
    names: deploymentNames(plan),
    functionCode: folder,
    image: `${plan.account}.dkr.ecr.{region}.amazonaws.com/holdfast@sha256:${'ab'.repeat(32)}`,
    bootstrapQualifier: 'hnb659fds',
  };
}

/** All stacks of a plan in an app of their own. */
export function testStacks(plan: Plan, change: Partial<Deployment> = {}) {
  const app = testApp();
  const deployment = { ...testDeployment(plan, path.join(root, '.cache/test-functions')), ...change };
  const stacks = buildStacks(app, deployment);
  return { app, deployment, stacks, resources: resolveApp(deployment, Object.values(stacks)) };
}
