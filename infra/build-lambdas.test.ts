import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../core/plan/plan.ts';
import { buildLambdas, functionEntries } from './build-lambdas.ts';
import { bundleLimitBytes } from './bundle-function.ts';
import { examplePlan } from './testing/test-app.ts';

const names = Object.keys(functionEntries);
let plan: Plan;
let folder: string;
beforeAll(async () => {
  plan = await examplePlan('acme');
  folder = await buildLambdas(plan, fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bundles-')));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const file = (name: string, part = 'index.mjs') => path.join(folder, name, part);
const states = () =>
  names.map((name) => {
    const bytes = fs.readFileSync(file(name));
    return [name, fs.statSync(file(name)).mtimeMs, createHash('sha256').update(bytes).digest('hex')];
  });

describe('buildLambdas', () => {
  it.each(names)('keeps %s below the limit', (name) => {
    expect(fs.statSync(file(name)).size).toBeLessThanOrEqual(bundleLimitBytes);
  });

  // The folder lies outside the project, so a module that was not bundled is not found. Handlers that then ask for their
  // settings have loaded everything.
  it.each(names)('bundles everything that %s needs', async (name) => {
    const loaded = await import(file(name)).then(
      (module) => typeof module.handler,
      (error: Error) => error.name,
    );
    expect(loaded).toBe(functionEntries[name]!.startsWith('lambdas/') ? 'SettingInvalid' : 'function');
  });

  it('puts the plan beside the functions that decide by it', () => {
    expect(JSON.parse(fs.readFileSync(file('claim-job', 'plan.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(plan)),
    );
    expect(fs.existsSync(file('keep-key', 'plan.json'))).toBe(false);
  });

  it('touches nothing when nothing changed', async () => {
    const before = states();
    const planBefore = fs.statSync(file('claim-job', 'plan.json')).mtimeMs;
    await buildLambdas(plan, folder);
    expect(states()).toEqual(before);
    expect(fs.statSync(file('claim-job', 'plan.json')).mtimeMs).toBe(planBefore);
  });

  it('changes the plan alone when only the plan changed', async () => {
    const before = states();
    await buildLambdas({ ...plan, sources: [] }, folder);
    expect(states()).toEqual(before);
    expect(JSON.parse(fs.readFileSync(file('claim-job', 'plan.json'), 'utf8'))).toMatchObject({
      sources: [],
    });
  });

  it('builds a damaged bundle again, to the same bytes', async () => {
    const good = fs.readFileSync(file('keep-key'));
    fs.writeFileSync(file('keep-key'), 'export const handler = 0;');
    await buildLambdas(plan, folder);
    expect(fs.readFileSync(file('keep-key')).equals(good)).toBe(true);
  });

  it('builds again when an input is not what it was', async () => {
    const stamp = path.join(folder, 'keep-key.inputs.json');
    const made = JSON.parse(fs.readFileSync(stamp, 'utf8'));
    const [first] = Object.keys(made.inputs);
    fs.writeFileSync(stamp, JSON.stringify({ ...made, inputs: { ...made.inputs, [first!]: 'other' } }));
    await buildLambdas(plan, folder);
    expect(JSON.parse(fs.readFileSync(stamp, 'utf8'))).toEqual(made);
  });

  it('leaves whole bundles and no other files when two builds share a folder', async () => {
    const shared = path.join(folder, 'shared');
    const chosen = ['keep-key', 'claim-job'];
    await Promise.all([buildLambdas(plan, shared, chosen), buildLambdas(plan, shared, chosen)]);
    for (const name of chosen)
      expect(fs.readFileSync(path.join(shared, name, 'index.mjs')).equals(fs.readFileSync(file(name)))).toBe(
        true,
      );
    expect(fs.readdirSync(shared, { recursive: true }).toSorted()).toEqual([
      'claim-job',
      'claim-job.inputs.json',
      'claim-job/index.mjs',
      'claim-job/plan.json',
      'keep-key',
      'keep-key.inputs.json',
      'keep-key/index.mjs',
    ]);
  });
});
