import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTaskImages } from '../infra/task-images.ts';

const root = path.resolve(import.meta.dirname, '..');
const account = '111122223333';
const regions = ['us-east-1', 'us-west-2'] as const;
const digest = `sha256:${'ab'.repeat(32)}`;
const repositoryOf = (region: string) => `${account}.dkr.ecr.${region}.amazonaws.com/holdfast`;

interface State {
  readonly account: string;
  readonly repositories: Readonly<Record<string, string>>;
  readonly images: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly digest: string;
  /** Ends up in the digests of the images that a registry has now. */
  readonly newest: string;
  readonly changed: string;
  /** Calls with these words fail. */
  readonly broken?: readonly string[];
  /** A push to this Region gets lost. */
  readonly lost?: string;
}
interface Call {
  readonly program: string;
  readonly args: readonly string[];
  readonly input?: string;
}

let folder: string;
let plan: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-push-'));
  const standIn = fs.readFileSync(path.join(root, 'scripts/testing/stand-in.mjs'), 'utf8');
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  for (const program of ['docker', 'aws', 'git'])
    fs.writeFileSync(path.join(folder, program), `#!${process.execPath}\n${standIn}`, { mode: 0o755 });
  plan = path.join(folder, 'holdfast.yaml');
  fs.copyFileSync(path.join(root, 'examples/minimal.yaml'), plan);
  set({ account, repositories: {}, images: {}, digest, newest: 'a', changed: '' });
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const stateFile = () => path.join(folder, 'state.json');
const state = () => JSON.parse(fs.readFileSync(stateFile(), 'utf8')) as State;
const set = (change: Partial<State>) => {
  const before = fs.existsSync(stateFile()) ? state() : {};
  fs.writeFileSync(stateFile(), JSON.stringify({ ...before, ...change }));
};
const imagesFile = () => path.join(folder, 'holdfast-minimal.images.json');

/** Runs the program and tells what it called. */
function push(...args: string[]) {
  const log = path.join(folder, 'calls.jsonl');
  fs.rmSync(log, { force: true });
  const run = spawnSync(process.execPath, ['scripts/image-push.ts', '--plan', plan, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: folder },
  });
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : [];
  const calls = lines.map((line) => JSON.parse(line) as Call);
  const of = (...words: string[]) =>
    calls.filter(({ program, args: all }) => `${program} ${all.join(' ')}`.startsWith(words.join(' ')));
  return { ...run, calls, of };
}
const builtOn = (run: ReturnType<typeof push>) =>
  run.of('docker buildx build').map(({ args }) => args[args.indexOf('--build-arg') + 1]);

describe('npm run image:push', () => {
  it('makes both repositories, with tags that cannot be moved and a scan of what is pushed', () => {
    const run = push();
    expect([run.status, run.stderr]).toEqual([0, expect.any(String)]);
    expect(run.of('aws ecr create-repository').map(({ args }) => args.join(' '))).toEqual(
      regions.map(
        (region) =>
          `ecr create-repository --repository-name holdfast --image-tag-mutability IMMUTABLE --image-scanning-configuration scanOnPush=true --region ${region} --output json`,
      ),
    );
  });

  it('leaves repositories alone that are there, and names one whose tags can be moved', () => {
    set({ repositories: { 'us-east-1': 'IMMUTABLE', 'us-west-2': 'MUTABLE' } });
    const run = push();
    expect(run.status).toBe(0);
    expect(run.of('aws ecr create-repository')).toEqual([]);
    expect(run.stderr).toContain('put-image-tag-mutability --region us-west-2');
    expect(run.stderr).not.toContain('put-image-tag-mutability --region us-east-1');
  });

  it('builds once for both Regions, on a base by digest', () => {
    const [build, ...more] = push().of('docker buildx build');
    expect(more).toEqual([]);
    const base = readTaskImages(imagesFile())?.base ?? '';
    const tag = `0123456789ab-${base.split(':')[1]?.slice(0, 12)}`;
    expect(tag).toMatch(/^0123456789ab-[0-9a-f]{12}$/);
    const metadata = build!.args[build!.args.indexOf('--metadata-file') + 1];
    const tags = regions.map((region) => `--tag ${repositoryOf(region)}:${tag}`).join(' ');
    expect(build!.args.join(' ')).toBe(
      `buildx build --file tasks/Dockerfile --platform linux/arm64 --build-arg NODE_IMAGE=${base} --provenance=true --push ${tags} --metadata-file ${metadata} .`,
    );
    expect(fs.existsSync(metadata!)).toBe(false);
  });

  it('hands passwords over by standard input, each to its registry', () => {
    const run = push();
    expect(run.of('docker login').map(({ args, input }) => [args.at(-1), input])).toEqual(
      regions.map((region) => [`${account}.dkr.ecr.${region}.amazonaws.com`, `password of ${region}`]),
    );
    expect(run.calls.flatMap(({ args }) => args).join(' ')).not.toContain('password of');
    expect(run.stdout + run.stderr).not.toContain('password of');
  });

  it('records every image by digest beside the plan, and prints the one of the tasks', () => {
    const run = push();
    const task = `${repositoryOf('{region}')}@${digest}`;
    expect(run.stdout).toBe(`${task}\n`);
    const images = readTaskImages(imagesFile());
    expect(images?.task).toBe(task);
    expect(builtOn(run)).toEqual([`NODE_IMAGE=${images?.base}`]);
    expect(Object.keys(images?.scratch ?? {})).toEqual(['14', '15', '16', '17', '18']);
    const looked = run.of('docker buildx imagetools inspect').map(({ args }) => args[3]);
    expect(looked).toContain('public.ecr.aws/docker/library/postgres:16');
    expect(images?.scratch['16']).toMatch(/^public\.ecr\.aws\/docker\/library\/postgres@sha256:/);
    expect(images?.scratch['16']).not.toBe(images?.scratch['17']);
  });

  it('builds nothing when both Regions have it, and still records it', () => {
    push();
    const before = fs.readFileSync(imagesFile(), 'utf8');
    fs.rmSync(imagesFile());
    const again = push();
    expect([again.status, again.of('docker buildx build')]).toEqual([0, []]);
    expect(fs.readFileSync(imagesFile(), 'utf8')).toBe(before);
  });

  it('keeps to the recorded bases until it is told to look for newer ones', () => {
    const first = readTaskImages((push(), imagesFile()));
    set({ newest: 'b' });
    const same = push();
    expect([same.status, same.of('docker buildx imagetools')]).toEqual([0, []]);
    expect(readTaskImages(imagesFile())).toEqual(first);
    const newer = push('--update-bases');
    expect(newer.status).toBe(0);
    expect(newer.of('docker buildx build')).toHaveLength(1);
    expect(readTaskImages(imagesFile())?.base).not.toBe(first?.base);
    expect(readTaskImages(imagesFile())?.scratch['14']).not.toBe(first?.scratch['14']);
  });

  it('gives the image no name of a commit that it is not', () => {
    set({ changed: ' M core/errors.ts' });
    const run = push();
    expect([run.status, run.of('docker buildx build')]).toEqual([1, []]);
    expect(run.stderr).toContain('core/errors.ts');
    const named = push('--tag', 'trial');
    expect(named.status).toBe(0);
    expect(state().images['us-west-2']).toEqual({ trial: digest });
  });

  it('does not try to move a tag', () => {
    push('--tag', 'trial');
    const run = push('--tag', 'trial');
    expect([run.status, run.of('docker buildx build')]).toEqual([1, []]);
    expect(run.stderr).toContain(`tag trial is taken by ${digest}`);
    set({ images: { 'us-east-1': { other: digest } } });
    const half = push('--tag', 'other');
    expect([half.status, half.of('docker buildx build')]).toEqual([1, []]);
    expect(half.stderr).toContain(`(us-east-1 has ${digest}, us-west-2 has none)`);
  });

  it.each<[string, Partial<State>, string]>([
    [
      'credentials of another account',
      { account: '999988887777' },
      'account 999988887777; the plan is for 111122223333',
    ],
    ['no Docker', { broken: ['docker buildx version'] }, 'install Docker with buildx'],
    ['no AWS command line', { broken: ['aws --version'] }, 'install the AWS command line'],
    [
      'a repository that may not be looked at',
      { broken: ['describe-repositories'] },
      'looking for repository holdfast in us-east-1',
    ],
    [
      'a registry that refuses the password',
      { broken: ['docker login'] },
      'logging in to 111122223333.dkr.ecr.us-east-1.amazonaws.com',
    ],
    [
      'a base that cannot be looked up',
      { broken: ['imagetools'] },
      'looking up public.ecr.aws/docker/library/node:24-bookworm-slim',
    ],
    ['a build that fails', { broken: ['docker buildx build'] }, 'could not be built or pushed'],
    [
      'a Region that did not get it',
      { lost: 'us-west-2' },
      'us-west-2.amazonaws.com/holdfast does not hold sha256:abab',
    ],
  ])('stops at %s and records nothing', (_, change, message) => {
    set(change);
    const run = push();
    expect(run.status).toBe(1);
    expect(run.stderr).toContain(message);
    expect(run.stdout).toBe('');
    expect(fs.existsSync(imagesFile())).toBe(false);
  });

  it('refuses a wrong option, a wrong name and a plan that is not there before it calls anything', () => {
    for (const args of [
      ['--nonsense'],
      ['--repository', 'Holdfast:latest'],
      ['--plan', path.join(folder, 'none.yaml')],
    ]) {
      const run = push(...args);
      expect([args, run.status, run.calls]).toEqual([args, 2, []]);
    }
  });

  it('refuses a record that was changed by hand into something else', () => {
    push();
    const images = JSON.parse(fs.readFileSync(imagesFile(), 'utf8')) as { base: string };
    fs.writeFileSync(imagesFile(), JSON.stringify({ ...images, base: 'node:24' }));
    const run = push();
    expect([run.status, run.calls]).toEqual([1, []]);
    expect(run.stderr).toMatch(/images\.json does not fit: .*base/);
  });
});
