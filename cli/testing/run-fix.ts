import fs from 'node:fs';

/** A client of an SDK package, as far as a fix needs one. */
type Client = { send(command: unknown): Promise<unknown> };
type Package = Readonly<Record<string, new (input: unknown) => Client>>;

const packages: Readonly<Record<string, () => Promise<unknown>>> = {
  ec2: () => import('@aws-sdk/client-ec2'),
  kms: () => import('@aws-sdk/client-kms'),
  secretsmanager: () => import('@aws-sdk/client-secrets-manager'),
  sns: () => import('@aws-sdk/client-sns'),
  'service-quotas': () => import('@aws-sdk/client-service-quotas'),
  cloudtrail: () => import('@aws-sdk/client-cloudtrail'),
};

/**
 * Does what a shell would with `aws SERVICE OPERATION --option value … && aws …`, by the SDK: operation and options are those
 * of the API in other letters, so one that the service does not know fails here as it would there.
 */
export async function runFix(
  text: string,
  settings: (region: string) => object,
  fill: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [commands = ''] = text.split(/, | \(|; /);
  for (const command of commands.split(' && ')) {
    const [program, service = '', operation = '', ...rest] = command.trim().split(' ');
    if (program !== 'aws') throw new Error(`not a command of aws: ${command}`);
    const options = optionsOf(rest, fill);
    const { region } = options;
    if (typeof region !== 'string') throw new Error(`no Region: ${command}`);
    const load = packages[service];
    if (load === undefined) throw new Error(`no such service here: ${service}`);
    const sdk = (await load()) as Package;
    const names = Object.keys(sdk);
    const clientName = names.find((name) => name.endsWith('Client') && !name.startsWith('__')) ?? '';
    const wanted = `${operation.replaceAll('-', '')}command`;
    const commandName = names.find((name) => name.toLowerCase() === wanted);
    if (commandName === undefined) throw new Error(`${service} has no operation ${operation}`);
    const input = Object.fromEntries(
      Object.entries(options)
        .filter(([name]) => name !== 'region')
        .map(([name, value]) => [memberOf(name), inputOf(name, value)]),
    );
    const client = new sdk[clientName]!(settings(region));
    await client.send(new sdk[commandName]!(input));
  }
}

/** `--is-multi-region-trail` is true by itself; `Key=value` is a structure in a list. */
function optionsOf(
  words: readonly string[],
  fill: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  words.forEach((word, index) => {
    if (!word.startsWith('--')) return;
    const next = words[index + 1];
    options[word.slice(2)] = next === undefined || next.startsWith('--') ? true : valueOf(next, fill);
  });
  return options;
}

function valueOf(word: string, fill: Readonly<Record<string, string>>): unknown {
  const filled = fill[word] ?? word;
  if (filled.startsWith('file://')) return fs.readFileSync(fill[filled.slice(7)] ?? filled.slice(7), 'utf8');
  const [, key = '', value] = /^([A-Z]\w*)=(.*)$/.exec(filled) ?? [];
  return value === undefined ? filled : [{ [key]: value }];
}

/** Lists and numbers are recognised by their names. */
function inputOf(name: string, value: unknown): unknown {
  if (name.endsWith('-ids')) return [value];
  return name === 'desired-value' ? Number(value) : value;
}

/** `s3-bucket-name` → `S3BucketName`; `notification-endpoint` is `Endpoint` in the API. */
function memberOf(option: string): string {
  if (option === 'notification-endpoint') return 'Endpoint';
  return option
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
