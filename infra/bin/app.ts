import fs from 'node:fs';
import path from 'node:path';
import { Annotations, App, DefaultStackSynthesizer, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { isHoldfastError } from '../../core/errors.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { buildLambdas } from '../build-lambdas.ts';
import { planFileOf } from '../plan-file.ts';
import { buildStacks } from '../stacks/build-stacks.ts';
import { refuseTooLarge } from '../template-sizes.ts';
import { readTaskImages, taskImagesFile } from '../task-images.ts';

const app = new App();
const planFile = namedPlan(app);
const plan = await loadPlan(planFile).catch(sayAndExit);
const names = deploymentNames(plan);
const takeRecorded = takesRecorded(app);
const images = takeRecorded ? readTaskImages(taskImagesFile(planFile, names)) : undefined;

buildStacks(app, {
  plan,
  names,
  functionCode: await buildLambdas(plan),
  image: contextText(app, 'image') ?? images?.task ?? imageToBe(app),
  scratchImages: images?.scratch,
  bootstrapQualifier:
    contextText(app, '@aws-cdk/core:bootstrapQualifier') ?? DefaultStackSynthesizer.DEFAULT_QUALIFIER,
  appliedAt: new Date().toISOString(),
  signingPublicKey: takeRecorded
    ? readIfThere(path.join(path.dirname(planFile), names.signingKeyFile))
    : undefined,
});
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
const { stacks } = app.synth();
try {
  refuseTooLarge(
    stacks.map(({ stackName, templateFullPath }) => ({
      stackName,
      text: fs.readFileSync(templateFullPath, 'utf8'),
    })),
  );
} catch (error) {
  sayAndExit(error);
}

function namedPlan(scope: App): string {
  // oxlint-disable-next-line node/no-process-env -- the program's own setting, read where it starts
  const environment = process.env['HOLDFAST_PLAN'];
  try {
    return planFileOf({ context: contextText(scope, 'plan'), environment });
  } catch (error) {
    return sayAndExit(error);
  }
}

/**
 * What was recorded beside the plan of the account it is deployed to: images (`npm run image:push`) and the signing key
 * (`holdfast doctor`). `-c recorded=none` leaves both aside, for a sandbox has no registry and other keys each time.
 */
function takesRecorded(scope: App): boolean {
  const given = contextText(scope, 'recorded');
  if (given !== undefined && given !== 'none')
    throw new Error(`context recorded is ${given}; allowed is none`);
  return given !== 'none';
}

/** A mistake in the plan is its author's to see, not a stack trace's. */
function sayAndExit(error: unknown): never {
  if (!isHoldfastError(error)) throw error;
  process.stderr.write(`${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`);
  process.exit(error.exitCode);
}

/** Synthesis needs no image, a deployment does: no task could start. */
function imageToBe(scope: App): string {
  Annotations.of(scope).addWarningV2(
    'holdfast:noImage',
    `no image of the tasks is recorded for plan ${plan.name}; run npm run image:push -- --plan ${path.relative('', planFile)} before cdk deploy`,
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
