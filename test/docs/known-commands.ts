import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Command, Option } from 'commander';
import { createProgram } from '../../cli/program.ts';
import { type NamedCommand, root, wordsOf } from './commands.ts';

/** What is wrong with a command, or nothing. */
export function problemsOf(command: NamedCommand): string[] {
  const [program, ...words] = wordsOf(command.text);
  switch (program) {
    case 'holdfast':
      return holdfastProblems(words, command.kind);
    case 'npm':
      return npmProblems(words, command.kind);
    case 'cdk':
      return cdkProblems(words, command.kind);
    default:
      return awsProblems(words);
  }
}

const holdfast = createProgram();
/** `a holdfast command` in a sentence. */
const prose = ['command'];

function holdfastProblems(words: readonly string[], kind: NamedCommand['kind']): string[] {
  if (kind === 'message' && (words[0]?.startsWith('-') === true || prose.includes(words[0] ?? ''))) return [];
  let at: Command = holdfast;
  let positionals = 0;
  const given = new Set<string>();
  for (let n = 0; n < words.length; n += 1) {
    const word = words[n]!;
    if (word.startsWith('--') || /^-[a-z]$/.test(word)) {
      const flag = word.split('=')[0]!;
      if (['--help', '-h', '--version'].includes(flag)) continue;
      const option = at.options.find((one) => one.long === flag || one.short === flag);
      if (option === undefined) return [`${nameOf(at)} has no option ${flag}`];
      given.add(option.attributeName());
      if ((option.required || option.optional) && !word.includes('=')) n += 1;
      continue;
    }
    const next = at.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next !== undefined) at = next;
    else if (at.commands.length > 0)
      return kind === 'message' && at !== holdfast ? [] : [`${nameOf(at)} has no command ${word}`];
    else positionals += 1;
  }
  if (kind === 'message') return [];
  const allowed = at.registeredArguments.some(({ variadic }) => variadic)
    ? Infinity
    : at.registeredArguments.length;
  const missing = at.options.filter(
    (option: Option) =>
      option.mandatory && option.defaultValue === undefined && !given.has(option.attributeName()),
  );
  return [
    ...(positionals > allowed ? [`${nameOf(at)} takes ${allowed} arguments, not ${positionals}`] : []),
    ...(kind === 'block' && at.commands.length > 0 ? [`${nameOf(at)} needs a sub-command`] : []),
    ...(kind === 'block' ? missing.map(({ long }) => `${nameOf(at)} needs ${long}`) : []),
  ];
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

const scripts = (
  JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Record<string, string>;
  }
).scripts;
/** Options of our own scripts stand in the call of `parseArgs`, or of commander's `option`. */
const ownScripts: Readonly<Record<string, string>> = {
  drill: 'sandbox/drill/main.ts',
  bench: 'test/bench/main.ts',
  'image:push': 'scripts/image-push.ts',
};

function npmProblems([verb, ...rest]: readonly string[], kind: NamedCommand['kind']): string[] {
  const [name = '', ...words] = verb === 'run' ? rest : ['test', ...rest];
  if (!(name in scripts)) return [`package.json has no script ${name}`];
  const file = ownScripts[name];
  const options = words.filter((word) => /^--./.test(word)).map((word) => word.split('=')[0]!);
  if (file === undefined || kind === 'message') return [];
  if (options.length > 0 && !words.includes('--')) return [`npm run ${name} needs -- before its options`];
  const source = fs.readFileSync(path.join(root, file), 'utf8');
  return options
    .filter((option) => {
      const name = option.slice(2);
      return !new RegExp(`'--${name}[ ']|^\\s+'?${name}'?: \\{ type: `, 'm').test(source);
    })
    .map((option) => `npm run ${name} has no option ${option}`);
}

interface CdkRegistry {
  readonly globalOptions: Record<string, { readonly alias?: string | readonly string[] }>;
  readonly commands: Record<
    string,
    { readonly options?: Record<string, { readonly alias?: string | readonly string[] }> }
  >;
}
const cdk = JSON.parse(
  fs.readFileSync(path.join(root, 'node_modules/aws-cdk/lib/cli/cli-type-registry.json'), 'utf8'),
) as CdkRegistry;

function cdkProblems([verb = '', ...words]: readonly string[], kind: NamedCommand['kind']): string[] {
  const command = cdk.commands[verb];
  if (command === undefined) return [`cdk has no command ${verb}`];
  if (kind === 'message' && words.length === 0) return [];
  const known = new Set(
    Object.entries({ ...cdk.globalOptions, ...command.options }).flatMap(([name, { alias = [] }]) =>
      [name, ...[alias].flat()].map((one) => (one.length === 1 ? `-${one}` : `--${one}`)),
    ),
  );
  return words
    .filter((word) => /^-{1,2}[a-z]/.test(word))
    .map((word) => word.split('=')[0]!)
    .filter((flag) => !known.has(flag) && !known.has(flag.replace('--no-', '--')))
    .map((flag) => `cdk ${verb} has no option ${flag}`);
}

const awsGlobals = [
  '--region',
  '--query',
  '--output',
  '--profile',
  '--endpoint-url',
  '--no-cli-pager',
  '--debug',
];
/** Commands that the AWS CLI has beside the services' calls. */
const awsOwn: Readonly<Record<string, readonly string[]>> = {
  's3 cp': ['--recursive', '--force-glacier-transfer', '--quiet'],
  's3 ls': ['--recursive'],
  's3 sync': ['--force-glacier-transfer'],
  'configure list': [],
  'sso login': [],
};

function awsProblems(words: readonly string[]): string[] {
  const [service = '', operation = '', ...rest] = words;
  if (service.startsWith('-')) return [];
  const flags = rest.filter((word) => /^--[a-z]/.test(word)).map((word) => word.split('=')[0]!);
  const known = awsOwn[`${service} ${operation}`] ?? awsOptions(service, operation);
  if (known === undefined) return [`aws has no command ${service} ${operation}`];
  return flags
    .filter((flag) => !known.includes(flag) && !awsGlobals.includes(flag))
    .map((flag) => `aws ${service} ${operation} has no option ${flag}`);
}

/**
 * By the service models that the AWS CLI itself is made from; they come with the sandbox's emulator. It calls one option
 * otherwise than the model: https://docs.aws.amazon.com/cli/latest/reference/sns/subscribe.html
 */
const script = `
import json, sys, botocore.session
from botocore import xform_name
session = botocore.session.get_session()
names = {"s3api": "s3"}
answer = {}
for service in sys.argv[1:]:
    model = session.get_service_model(service)
    for operation in model.operation_names:
        shape = model.operation_model(operation).input_shape
        options = []
        for name, member in (shape.members if shape else {}).items():
            option = xform_name(name, "-")
            option = {"sns subscribe endpoint": "notification-endpoint"}.get(f"{service} {xform_name(operation, '-')} {option}", option)
            options += ["--" + option] + (["--no-" + option] if member.type_name == "boolean" else [])
        answer[service + " " + xform_name(operation, "-")] = options
print(json.dumps(answer))
`;
/** Services whose commands are named anywhere; starting Python for each would take most of the test's time. */
const services = [
  'account',
  'cloudformation',
  'cloudtrail',
  'cloudwatch',
  'dynamodb',
  'ec2',
  'ecr',
  'ecs',
  'events',
  'iam',
  'kms',
  'lambda',
  'logs',
  'rds',
  'scheduler',
  's3',
  'secretsmanager',
  'service-quotas',
  'sns',
  'stepfunctions',
  'sts',
];
let loaded: Record<string, readonly string[]> | undefined;

function awsOptions(service: string, operation: string): readonly string[] | undefined {
  loaded ??= JSON.parse(
    execFileSync(path.join(root, '.cache/venv/bin/python'), ['-c', script, ...services], {
      encoding: 'utf8',
    }),
  ) as Record<string, readonly string[]>;
  const model = service === 's3api' ? 's3' : service;
  if (!services.includes(model)) throw new Error(`add ${model} to the services of this file`);
  return loaded[`${model} ${operation}`];
}
