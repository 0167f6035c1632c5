import fs from 'node:fs';
import path from 'node:path';
import { lambdaNames } from '../core/plan/names.ts';
import type { Plan } from '../core/plan/plan.ts';
import { bundleFunction, writeWhole } from './bundle-function.ts';

const root = path.resolve(import.meta.dirname, '..');

/** Entry point of every function that is deployed, by the name of its bundle. */
export const functionEntries: Readonly<Record<string, string>> = {
  ...Object.fromEntries(lambdaNames.map((name) => [name, `lambdas/${name}/handler.ts`])),
  // One function a source, see DeploymentNames.canaryFunction.
  'canary-writer': 'lambdas/canary-writer/handler.ts',
  'keep-key': 'infra/custom-resources/keep-key.handler.ts',
  'protect-table': 'infra/custom-resources/protect-table.handler.ts',
  'set-replication': 'infra/custom-resources/set-replication.handler.ts',
};

/**
 * Bundles every function, or those of the `names`, into `folder`/<name>/index.mjs with the plan beside it, and returns the folder. A bundle whose
 * inputs did not change is not built again; one whose bytes did not change makes no new asset.
 */
export async function buildLambdas(
  plan: Plan,
  folder = path.join(root, '.cache/functions', plan.name),
  names = Object.keys(functionEntries),
): Promise<string> {
  for (const [name, entry] of Object.entries(functionEntries).filter(([one]) => names.includes(one))) {
    await bundleFunction({ entry, folder, name });
    if (entry.startsWith('lambdas/'))
      writeWhenChanged(path.join(folder, name, 'plan.json'), JSON.stringify(plan));
  }
  return folder;
}

function writeWhenChanged(file: string, text: string): void {
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) return;
  writeWhole(file, text);
}
