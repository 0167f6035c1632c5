import fs from 'node:fs';
import path from 'node:path';
import { Annotations, App, DefaultStackSynthesizer, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { deploymentNames } from '../../core/plan/names.ts';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { buildLambdas } from '../build-lambdas.ts';
import { buildStacks } from '../stacks/build-stacks.ts';
import { readTaskImages, type TaskImages, taskImagesFile } from '../task-images.ts';

const root = path.resolve(import.meta.dirname, '../..');
const app = new App();
const planFile = planFileOf(app);
const plan = await loadPlan(planFile);
const names = deploymentNames(plan);
const images = recordedImages(app);

buildStacks(app, {
  plan,
  names,
  functionCode: buildLambdas(plan),
  image: contextText(app, 'image') ?? images?.task ?? imageToBe(app),
  scratchImages: images?.scratch,
  bootstrapQualifier:
    contextText(app, '@aws-cdk/core:bootstrapQualifier') ?? DefaultStackSynthesizer.DEFAULT_QUALIFIER,
  signingPublicKey: readIfThere(path.join(path.dirname(planFile), `${plan.name}.signing.pub.pem`)),
});
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
app.synth();

/** `-c plan=FILE`, else the project's own plan, else the example: synthesis always has something to show. */
function planFileOf(scope: App): string {
  const given = contextText(scope, 'plan');
  if (given !== undefined) return path.resolve(given);
  const own = path.resolve('holdfast.yaml');
  return fs.existsSync(own) ? own : path.join(root, 'examples/acme.yaml');
}

/** What `npm run image:push` wrote beside the plan; `-c images=none` leaves it aside, for a sandbox has no registry. */
function recordedImages(scope: App): TaskImages | undefined {
  const given = contextText(scope, 'images');
  if (given !== undefined && given !== 'none') throw new Error(`context images is ${given}; allowed is none`);
  return given === 'none' ? undefined : readTaskImages(taskImagesFile(planFile, names));
}

/** Synthesis needs no image, a deployment does: no task could start. */
function imageToBe(scope: App): string {
  Annotations.of(scope).addWarningV2(
    'holdfast:noImage',
    `no image of the tasks is recorded for plan ${plan.name}; run npm run image:push before cdk deploy`,
  );
  return `${plan.account}.dkr.ecr.{region}.amazonaws.com/holdfast@sha256:${'0'.repeat(64)}`;
}

function contextText(scope: App, key: string): string | undefined {
  const value: unknown = scope.node.tryGetContext(key);
  if (value === undefined || typeof value === 'string') return value;
  throw new Error(`context ${key} is ${JSON.stringify(value)}; allowed is text`);
}

function readIfThere(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}
