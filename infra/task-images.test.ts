import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { postgresMajors } from '../core/plan/names.ts';
import { TaskImage } from './constructs/task-image.ts';
import { readTaskImages, type TaskImages, taskImagesFile, writeTaskImages } from './task-images.ts';
import { examplePlan, testDeployment, testStacks } from './testing/test-app.ts';

const digest = (digits: string) => `sha256:${digits.repeat(32)}`;
const images: TaskImages = {
  task: `111122223333.dkr.ecr.{region}.amazonaws.com/holdfast@${digest('ab')}`,
  base: `public.ecr.aws/docker/library/node@${digest('cd')}`,
  scratch: Object.fromEntries(
    postgresMajors.map((major) => [
      String(major),
      `public.ecr.aws/docker/library/postgres@${digest(String(major))}`,
    ]),
  ),
};

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-images-'));
  file = taskImagesFile(path.join(folder, 'holdfast.yaml'), { prefix: 'holdfast-acme' });
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('the record of images', () => {
  it('lies beside the plan and gives back what was written', () => {
    expect(readTaskImages(file)).toBeUndefined();
    writeTaskImages(file, images);
    expect(fs.readdirSync(folder)).toEqual(['holdfast-acme.images.json']);
    expect(readTaskImages(file)).toEqual(images);
  });

  it.each<[string, object, RegExp]>([
    ['the tasks by tag', { task: 'holdfast:latest' }, /does not fit: .*must be repository@sha256/],
    ['a base by tag', { base: 'public.ecr.aws/docker/library/node:24' }, /base/],
    ['a major missing', { scratch: { ...images.scratch, 14: undefined } }, /scratch/],
    ['a major that no task definition has', { scratch: { ...images.scratch, 13: images.base } }, /scratch/],
    ['something unknown', { latest: images.base }, /latest/],
  ])('is refused with %s', (_, change, message) => {
    fs.writeFileSync(file, JSON.stringify({ ...images, ...change }));
    expect(() => readTaskImages(file)).toThrow(message);
    fs.writeFileSync(file, '{');
    expect(() => readTaskImages(file)).toThrow(/images\.json does not fit/);
  });

  it('is what the task definitions name, in their own Region', async () => {
    const plan = await examplePlan('acme');
    const { resources } = testStacks(plan, { image: images.task, scratchImages: images.scratch });
    for (const { type, region, properties } of resources) {
      if (type !== 'AWS::ECS::TaskDefinition') continue;
      const major = /-restore-test-(\d+)$/.exec(properties['Family'])?.[1] ?? '';
      const used = properties['ContainerDefinitions'].map((one: any) => one.Image);
      const scratch = major === '' ? [] : [images.scratch[major]];
      expect(new Set(used)).toEqual(new Set([images.task.replace('{region}', region), ...scratch]));
    }
  });

  it('fits what a task definition accepts', async () => {
    const deployment = testDeployment(await examplePlan('acme'), path.join(folder, 'functions'));
    const { uri } = new TaskImage({ ...deployment, image: images.task }, 'us-west-2');
    expect(uri).toBe(`111122223333.dkr.ecr.us-west-2.amazonaws.com/holdfast@${digest('ab')}`);
  });
});
