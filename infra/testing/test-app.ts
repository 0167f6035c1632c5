import fs from 'node:fs';
import path from 'node:path';
import { App } from 'aws-cdk-lib';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { deploymentNames, type StackName, stackNames } from '../../core/plan/names.ts';
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
  const built = buildTestApp(plan, change);
  return { ...built, resources: resolveApp(built.deployment, Object.values(built.stacks)) };
}

/** The templates of a plan as `cdk deploy` uploads them, by name of the stack without that of the plan. */
export function synthesize(plan: Plan): { readonly stack: StackName; readonly text: string }[] {
  const { app, deployment } = buildTestApp(plan, {});
  const { stacks } = app.synth();
  return stackNames.map((stack) => {
    const found = stacks.find(({ stackName }) => stackName === deployment.names.stack(stack));
    if (found === undefined) throw new Error(`no stack ${deployment.names.stack(stack)}`);
    return { stack, text: fs.readFileSync(found.templateFullPath, 'utf8') };
  });
}

function buildTestApp(plan: Plan, change: Partial<Deployment>) {
  const app = testApp();
  const deployment = { ...testDeployment(plan, path.join(root, '.cache/test-functions')), ...change };
  return { app, deployment, stacks: buildStacks(app, deployment) };
}
