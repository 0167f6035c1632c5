import fs from 'node:fs';
import path from 'node:path';
import { App } from 'aws-cdk-lib';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { functionEntries } from '../build-lambdas.ts';
import type { Deployment } from '../deployment.ts';
import { buildStacks } from '../stacks/build-stacks.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** An app with the context of cdk.json, as `cdk synth` would give it. */
export function testApp(): App {
  const settings = JSON.parse(fs.readFileSync(path.join(root, 'cdk.json'), 'utf8')) as {
    readonly context: Record<string, unknown>;
  };
  return new App({ context: settings.context, analyticsReporting: false });
}

export async function examplePlan(name: 'acme' | 'drill' | 'minimal' = 'acme'): Promise<Plan> {
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
export function testStacks(plan: Plan, folder: string) {
  const app = testApp();
  const deployment = testDeployment(plan, folder);
  return { app, deployment, stacks: buildStacks(app, deployment) };
}
