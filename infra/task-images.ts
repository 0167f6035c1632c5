import fs from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { type DeploymentNames, postgresMajors } from '../core/plan/names.ts';

/** `repository@sha256:…`, without a tag: what ECS pulls is what was looked at. */
export const imageByDigest = /^[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}$/;

const byDigest = z.string().regex(imageByDigest, 'must be repository@sha256:<64 hex digits>');

/** What `npm run image:push` found and made: every image of the tasks by digest. */
const taskImagesSchema = z.strictObject({
  /** Of our tasks; `{region}` stands for the Region that runs it. */
  task: z.string().refine((uri) => imageByDigest.test(uri.replaceAll('{region}', 'region')), {
    error: 'must be repository@sha256:<64 hex digits>, with {region} where the Region stands',
  }),
  /** That ours was built on. */
  base: byDigest,
  /** Of the scratch servers of restore tests, by major version. */
  scratch: z.strictObject(Object.fromEntries(postgresMajors.map((major) => [String(major), byDigest]))),
});

export type TaskImages = z.output<typeof taskImagesSchema>;

/** Beside the plan, and to be committed with it: two deployments of one commit run the same images. */
export function taskImagesFile(planFile: string, names: Pick<DeploymentNames, 'prefix'>): string {
  return path.join(path.dirname(planFile), `${names.prefix}.images.json`);
}

/** `undefined` when there is no such file. @throws with file and reason when it does not fit: a wrong image must not be deployed */
export function readTaskImages(file: string): TaskImages | undefined {
  if (!fs.existsSync(file)) return undefined;
  const parsed = taskImagesSchema.safeParse(parseJson(fs.readFileSync(file, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new Error(
    `${file} does not fit: ${z.prettifyError(parsed.error).replaceAll(/\s*\n\s*/g, ' ')}; npm run image:push writes it`,
  );
}

/** Replaces the file in one step. */
export function writeTaskImages(file: string, images: TaskImages): void {
  const partial = `${file}.partial`;
  fs.writeFileSync(partial, `${JSON.stringify(taskImagesSchema.parse(images), undefined, 2)}\n`);
  fs.renameSync(partial, file);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
