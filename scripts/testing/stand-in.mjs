// Stands on the PATH for docker, aws and git: notes each call, and answers from state.json beside it as these programs would.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const folder = path.dirname(process.argv[1]);
const program = path.basename(process.argv[1]);
const args = process.argv.slice(2);
const stateFile = path.join(folder, 'state.json');
const state = JSON.parse(fs.readFileSync(stateFile, 'utf8'));
const valueOf = (name) => args[args.indexOf(name) + 1];
const input = args.includes('--password-stdin') ? fs.readFileSync(0, 'utf8') : undefined;
fs.appendFileSync(path.join(folder, 'calls.jsonl'), `${JSON.stringify({ program, args, input })}\n`);

function answer(text) {
  fs.writeFileSync(stateFile, JSON.stringify(state));
  process.stdout.write(`${text}\n`);
  process.exit(0);
}
function refuse(text) {
  process.stderr.write(`${text}\n`);
  process.exit(254);
}

const broken = state.broken?.find((words) => `${program} ${args.join(' ')}`.includes(words));
if (broken !== undefined) refuse(`${broken} is broken`);
const region = valueOf('--region');
const answers = {
  'aws --version': () => 'aws-cli/2',
  'aws sts get-caller-identity': () => JSON.stringify({ Account: state.account }),
  'aws ecr get-login-password': () => `password of ${region}`,
  'aws ecr describe-repositories': () => {
    const found = state.repositories[region];
    if (found === undefined) refuse('An error occurred (RepositoryNotFoundException): not there');
    return JSON.stringify({ repositories: [{ imageTagMutability: found }] });
  },
  'aws ecr create-repository': () => {
    state.repositories[region] = valueOf('--image-tag-mutability');
    return '{}';
  },
  'aws ecr describe-images': () => {
    const [kind, id] = valueOf('--image-ids').split('=');
    const images = state.images[region] ?? {};
    const digest = kind === 'imageTag' ? images[id] : Object.values(images).find((one) => one === id);
    if (digest === undefined) refuse('An error occurred (ImageNotFoundException): not there');
    return JSON.stringify({ imageDetails: [{ imageDigest: digest }] });
  },
  'docker buildx version': () => 'buildx v0',
  'docker login': () => 'Login Succeeded',
  'docker buildx imagetools': () => {
    const tag = args[3].split(':').at(-1);
    const digest = createHash('sha256').update(`${tag} ${state.newest}`).digest('hex');
    return JSON.stringify({ digest: `sha256:${digest}` });
  },
  'docker buildx build': () => {
    args.forEach((argument, i) => {
      if (args[i - 1] !== '--tag') return;
      const [, where, tag] = /\.ecr\.([a-z0-9-]+)\.amazonaws\.com\/[^:]+:(.+)$/.exec(argument);
      if (state.lost !== where) state.images[where] = { ...state.images[where], [tag]: state.digest };
    });
    fs.writeFileSync(valueOf('--metadata-file'), JSON.stringify({ 'containerimage.digest': state.digest }));
    return 'built';
  },
  'git status': () => state.changed,
  'git rev-parse': () => '0123456789ab',
};
const call = Object.keys(answers).find((words) => `${program} ${args.join(' ')}`.startsWith(words));
if (call === undefined) refuse(`nobody expected ${program} ${args.join(' ')}`);
answer(answers[call]());
