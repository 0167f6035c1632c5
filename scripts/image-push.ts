// Builds the tasks' image, pushes it to both Regions of a plan and records every image by digest for the CDK app.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadPlan } from '../core/plan/load-plan.ts';
import { deploymentNames, postgresMajors } from '../core/plan/names.ts';
import { readTaskImages, type TaskImages, taskImagesFile, writeTaskImages } from '../infra/task-images.ts';

const root = path.resolve(import.meta.dirname, '..');
/** What the image is made of; a change of anything else makes no other image. */
const ingredients = ['core', 'tasks', 'package.json', 'package-lock.json'];
const baseImage = 'public.ecr.aws/docker/library/node:24-bookworm-slim';
const scratchImage = (major: number) => `public.ecr.aws/docker/library/postgres:${major}`;
const usage = `usage: npm run image:push -- [--plan FILE] [--repository NAME] [--tag TAG] [--platform P] [--update-bases]

  --plan          default: holdfast.yaml; says account and Regions
  --repository    default: holdfast; made in both Regions when missing (immutable tags, scan on push)
  --tag           default: the commit and the beginning of the base image's digest
  --platform      default: linux/arm64, what the task definitions ask for
  --update-bases  look up the newest images of Node and PostgreSQL instead of those recorded

Builds one image and pushes it to both Regions, so that a restore in the standby needs nothing of the lost one. Writes
holdfast-<plan>.images.json beside the plan, which cdk deploy reads; commit it. Prints the image with its digest.`;

class Problem extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

interface Target {
  readonly region: string;
  readonly account: string;
  readonly repository: string;
}

const registryOf = ({ account, region }: Target) => `${account}.dkr.ecr.${region}.amazonaws.com`;
const uriOf = (target: Target) => `${registryOf(target)}/${target.repository}`;
const say = (line: string) => process.stderr.write(`image:push: ${line}\n`);

function readOptions() {
  try {
    return parseArgs({
      options: {
        plan: { type: 'string', default: 'holdfast.yaml' },
        repository: { type: 'string', default: 'holdfast' },
        tag: { type: 'string' },
        platform: { type: 'string', default: 'linux/arm64' },
        'update-bases': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new Problem(`${(error as Error).message}\n${usage}`, 2);
  }
}

function run(program: string, args: readonly string[], input?: string) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    ...(input !== undefined && { input }),
  });
  return { ok: status === 0, stdout: (stdout ?? '').trim(), stderr: (stderr ?? '').trim() };
}

/** What the program printed. @throws with what was wanted and what it said */
function demand(what: string, [program = '', ...args]: readonly string[], input?: string): string {
  const { ok, stdout, stderr } = run(program, args, input);
  if (!ok) throw new Problem(`${what}: ${[program, ...args.slice(0, 3)].join(' ')} failed\n  ${stderr}`);
  return stdout;
}

const aws = (what: string, region: string, args: readonly string[]) =>
  demand(what, ['aws', ...args, '--region', region, '--output', 'json']);

function checkPrograms(account: string, region: string): void {
  if (!run('docker', ['buildx', 'version']).ok) {
    throw new Problem(
      'docker buildx version did not work\n  hint: install Docker with buildx and start it; nothing else of Holdfast needs it',
    );
  }
  if (!run('aws', ['--version']).ok) {
    throw new Problem(
      "aws --version did not work\n  hint: install the AWS command line; it gets the registry's password",
    );
  }
  const identity = aws('who am I', region, ['sts', 'get-caller-identity']);
  const { Account: own } = JSON.parse(identity) as { Account: string };
  if (own !== account) {
    throw new Problem(`these are credentials of account ${own}; the plan is for ${account}`);
  }
}

/** Of one commit on one base, so that what has this tag is what would be built. @throws when the work tree holds something else */
function commitTag(base: string): string {
  const changed = demand('looking for changes', ['git', 'status', '--porcelain', '--', ...ingredients]);
  if (changed !== '') {
    throw new Problem(
      `the image would hold changes that are in no commit:\n${changed}\n  hint: commit them, or name the image yourself with --tag`,
    );
  }
  const commit = demand('asking for the commit', ['git', 'rev-parse', '--short=12', 'HEAD']);
  return `${commit}-${base.split('@sha256:')[1]?.slice(0, 12)}`;
}

/** Tags that cannot be moved: a digest that a task definition names can then always be told by its commit. */
function ensureRepository({ region, repository }: Target): void {
  const name = ['--repository-names', repository];
  const looked = run('aws', [
    'ecr',
    'describe-repositories',
    ...name,
    '--region',
    region,
    '--output',
    'json',
  ]);
  if (!looked.ok && !looked.stderr.includes('RepositoryNotFoundException')) {
    throw new Problem(`looking for repository ${repository} in ${region}: ${looked.stderr}`);
  }
  if (!looked.ok) {
    say(`making repository ${repository} in ${region}`);
    const settings = [
      '--image-tag-mutability',
      'IMMUTABLE',
      '--image-scanning-configuration',
      'scanOnPush=true',
    ];
    aws(`making repository ${repository} in ${region}`, region, [
      'ecr',
      'create-repository',
      '--repository-name',
      repository,
      ...settings,
    ]);
    return;
  }
  const [found] = (JSON.parse(looked.stdout) as { repositories: { imageTagMutability?: string }[] })
    .repositories;
  if (found?.imageTagMutability?.startsWith('IMMUTABLE') !== true) {
    say(
      `repository ${repository} in ${region} lets tags be moved; mend it with aws ecr put-image-tag-mutability --region ${region} --repository-name ${repository} --image-tag-mutability IMMUTABLE`,
    );
  }
}

function logIn(target: Target): void {
  const password = demand('asking for the password', [
    'aws',
    'ecr',
    'get-login-password',
    '--region',
    target.region,
  ]);
  const registry = registryOf(target);
  demand(
    `logging in to ${registry}`,
    ['docker', 'login', '--username', 'AWS', '--password-stdin', registry],
    password,
  );
}

/** The digest that a tag or a digest names in a Region's repository. */
function digestIn({ region, repository }: Target, id: string): string | undefined {
  const which = ['--repository-name', repository, '--image-ids', id, '--region', region, '--output', 'json'];
  const { ok, stdout, stderr } = run('aws', ['ecr', 'describe-images', ...which]);
  if (ok)
    return (JSON.parse(stdout) as { imageDetails: { imageDigest: string }[] }).imageDetails[0]?.imageDigest;
  if (stderr.includes('ImageNotFoundException')) return undefined;
  throw new Problem(`looking for ${id} in ${region}: ${stderr}`);
}

/** A digest of an image for every processor, as a registry knows it now. */
function resolve(image: string): string {
  const text = demand(`looking up ${image}`, [
    'docker',
    'buildx',
    'imagetools',
    'inspect',
    image,
    '--format',
    '{{json .Manifest}}',
  ]);
  const { digest } = JSON.parse(text) as { digest: string };
  return `${image.replace(/:[^:/]+$/, '')}@${digest}`;
}

function resolveBases(): Omit<TaskImages, 'task'> {
  return {
    base: resolve(baseImage),
    scratch: Object.fromEntries(postgresMajors.map((major) => [String(major), resolve(scratchImage(major))])),
  };
}

/** One build for both Regions: the digest is the same in both. */
function buildAndPush(options: {
  readonly targets: readonly Target[];
  readonly tag: string;
  readonly platform: string;
  readonly base: string;
}): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-image-'));
  const metadata = path.join(directory, 'metadata.json');
  try {
    const tags = options.targets.flatMap((target) => ['--tag', `${uriOf(target)}:${options.tag}`]);
    const what = ['--file', 'tasks/Dockerfile', '--platform', options.platform];
    const how = ['--build-arg', `NODE_IMAGE=${options.base}`, '--provenance=true', '--push'];
    const args = ['buildx', 'build', ...what, ...how, ...tags, '--metadata-file', metadata, '.'];
    const build = spawnSync('docker', args, { cwd: root, stdio: ['ignore', process.stderr, 'inherit'] });
    if (build.status !== 0) throw new Problem('the image could not be built or pushed');
    const facts = JSON.parse(fs.readFileSync(metadata, 'utf8')) as Record<string, string>;
    return facts['containerimage.digest'] ?? '';
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** What has the tag in both Regions already. A tag cannot be moved, so one that is only half there is for a person. */
function pushedBefore(targets: readonly Target[], tag: string): string | undefined {
  const found = targets.map((target) => digestIn(target, `imageTag=${tag}`));
  const [first] = found;
  if (found.every((digest) => digest === first)) return first;
  const where = targets.map(({ region }, i) => `${region} has ${found[i] ?? 'none'}`).join(', ');
  throw new Problem(
    `tag ${tag} is not the same in both Regions (${where})\n  hint: push under another name with --tag`,
  );
}

function confirm(targets: readonly Target[], digest: string): void {
  for (const target of targets) {
    if (digestIn(target, `imageDigest=${digest}`) !== digest) {
      throw new Problem(`${uriOf(target)} does not hold ${digest} after the push`);
    }
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  if (!/^[a-z0-9]+(?:[._/-][a-z0-9]+)*$/.test(options.repository)) {
    throw new Problem(
      `--repository must be the name of an ECR repository, not ${options.repository}\n${usage}`,
      2,
    );
  }
  const plan = await loadPlan(options.plan).catch((error: Error) => {
    throw new Problem(error.message, 2);
  });
  const { primary, standby } = plan.regions;
  const file = taskImagesFile(options.plan, deploymentNames(plan));
  const recorded = readTaskImages(file);
  checkPrograms(plan.account, primary);
  const { account } = plan;
  const { repository } = options;
  const targets = [primary, standby].map((region) => ({ region, account, repository }));
  targets.forEach(ensureRepository);
  targets.forEach(logIn);
  const { base, scratch } = recorded === undefined || options['update-bases'] ? resolveBases() : recorded;
  const tag = options.tag ?? commitTag(base);
  const before = pushedBefore(targets, tag);
  if (before !== undefined && options.tag !== undefined) {
    throw new Problem(
      `tag ${tag} is taken by ${before}, and tags cannot be moved\n  hint: choose another --tag`,
    );
  }
  if (before !== undefined) say(`${tag} is in both Regions already`);
  const digest = before ?? buildAndPush({ targets, tag, platform: options.platform, base });
  confirm(targets, digest);
  const anywhere = { region: '{region}', account, repository };
  const task = `${uriOf(anywhere)}@${digest}`;
  writeTaskImages(file, { task, base, scratch });
  say(`wrote ${file}: commit it with the plan, then npx cdk deploy --all -c plan=${options.plan}`);
  process.stdout.write(`${task}\n`);
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  process.exitCode = error instanceof Problem ? error.exitCode : 1;
}
