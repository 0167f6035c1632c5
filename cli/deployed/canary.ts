import { randomBytes } from 'node:crypto';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { installCanary, readCanaryStatus, removeCanary } from '../../core/engines/postgres/canary-table.ts';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { HoldfastError } from '../../core/errors.ts';
import { readCanaryKey } from '../../core/jobs/canary-key.aws.ts';
import { readPostgresSecret } from '../../core/jobs/secrets.aws.ts';
import type { CanaryPlan, SourcePlan } from '../../core/plan/plan.ts';
import { describeRemoval, reportStatus } from '../canary-report.ts';
import { describeConnection, readConnection } from '../local/connection.ts';
import { runCommand } from '../run-command.ts';
import {
  clientSettings,
  type Deployment,
  type DeploymentOptions,
  openDeployment,
  sourceOf,
} from './deployment.ts';
import { commandIn, inRegion, type Question } from './in-region.ts';

export interface CanaryOptions extends DeploymentOptions {
  readonly url?: string;
  readonly secret?: string;
}

/** `holdfast canary install SOURCE` */
export async function canaryInstall(id: string, options: CanaryOptions): Promise<void> {
  await runCommand(options, async ({ signal }) => {
    const { deployment, source, canary, client } = await open(id, options);
    const { names, region } = deployment;
    const connection = await ownerOf(options, { client, source });
    const { writer, place } = await inRegion(
      deployment,
      questionOf(deployment, `install ${id}`),
      async () => {
        // Before the database is touched: without the key no row can be written.
        await readCanaryKey(client, names.canaryKeySecret(id));
        return { writer: names.canaryUser(id), place: await placeOf(client, { source, region }) };
      },
    );
    requireSameDatabase(connection, place);
    const password = randomBytes(24).toString('base64url');
    const login = source.connection.iam ? ('iam' as const) : { password };
    await installCanary({ connection, signal }, { schema: canary.schema, writer, login });
    const { host, port, dbname } = place;
    const known = { host, port, dbname, ...(login !== 'iam' && { username: writer, password }) };
    await storeSecret(client, names.canaryWriterSecret(id), JSON.stringify(known));
    return {
      json: { source: id, schema: canary.schema, writer, secret: names.canaryWriterSecret(id), region },
      text: [
        `installed ${canary.schema}.canary and the role ${writer} in ${describeConnection(connection)}`,
        `  its connection: secret ${names.canaryWriterSecret(id)} in ${region}`,
        `  in two minutes: holdfast canary status ${id} --plan ${deployment.planFile}`,
      ].join('\n'),
    };
  });
}

/** `holdfast canary remove SOURCE` */
export async function canaryRemove(id: string, options: CanaryOptions): Promise<void> {
  await runCommand(options, async ({ signal }) => {
    const deployment = await openDeployment(options);
    const source = sourceOf(deployment.plan, id);
    const client = new SecretsManagerClient({ region: deployment.region, ...clientSettings });
    const connection = await ownerOf(options, { client, source });
    const removed = await removeCanary({ connection, signal }, deployment.names.canaryUser(id));
    const question = questionOf(deployment, `remove ${id}`);
    await inRegion(deployment, question, () => deleteSecret(client, deployment.names.canaryWriterSecret(id)));
    return {
      json: { source: id, ...removed },
      text: `${describeRemoval(removed, describeConnection(connection))}; the secret of its writer is gone${source.canary === undefined ? '' : '\nnext: take canary out of the plan and deploy, or the alarm canary-not-written rings'}`,
    };
  });
}

/** `holdfast canary status SOURCE`; reads as the backup user unless told otherwise. */
export async function canaryStatus(id: string, options: CanaryOptions): Promise<void> {
  await runCommand(options, async ({ signal }) => {
    const { deployment, source, canary, client } = await open(id, options);
    const { names, region } = deployment;
    const question = questionOf(deployment, `status ${id}`);
    const connection =
      options.url === undefined && options.secret === undefined
        ? await inRegion(deployment, question, () => placeOf(client, { source, region }))
        : await ownerOf(options, { client, source });
    const key = await inRegion(deployment, question, () => readCanaryKey(client, names.canaryKeySecret(id)));
    const status = await readCanaryStatus({ connection, signal }, key);
    return reportStatus({ status, everySeconds: canary.everySeconds, now: new Date() });
  });
}

/** What an owner of the database gave is left out: it may hold a password. */
function questionOf(deployment: Deployment, words: string): Question {
  return {
    undone: 'its secrets, which a canary needs, were not read or written',
    instead: `if the database is there now: ${commandIn(deployment, deployment.peerRegion, `canary ${words}`)}`,
  };
}

interface Opened {
  readonly deployment: Deployment;
  readonly source: SourcePlan;
  readonly canary: CanaryPlan;
  readonly client: SecretsManagerClient;
}

async function open(id: string, options: CanaryOptions): Promise<Opened> {
  const deployment = await openDeployment(options);
  const source = sourceOf(deployment.plan, id);
  if (source.canary === undefined) {
    throw new HoldfastError('USAGE', `the source ${id} has no canary in ${deployment.planFile}`, {
      hint: `write canary: {} below sources.${id} and deploy, which makes its key and its writer`,
    });
  }
  const client = new SecretsManagerClient({ region: deployment.region, ...clientSettings });
  return { deployment, source, canary: source.canary, client };
}

interface Asked {
  readonly client: SecretsManagerClient;
  readonly source: SourcePlan;
}

/** The backup user may read only, so somebody names one who may make a schema and a role. @throws USAGE */
async function ownerOf(
  { url, secret }: CanaryOptions,
  { client, source }: Asked,
): Promise<PostgresConnection> {
  if ((url === undefined) === (secret === undefined)) {
    throw new HoldfastError('USAGE', 'who owns the database is to be told by either --url or --secret', {
      hint: '--url postgres://owner@host/database, - reads it from standard input; or --secret with the name of a secret in the form that RDS writes',
    });
  }
  if (url !== undefined) return readConnection(url, process.env);
  return readPostgresSecret(client, { secret: secret ?? '', tls: source.connection.tls });
}

function placeOf(
  client: SecretsManagerClient,
  { source, region }: { readonly source: SourcePlan; readonly region: string },
): Promise<PostgresConnection> {
  const { secret, tls, iam, username } = source.connection;
  const login = iam && username !== undefined ? { iam: { username, region } } : {};
  return readPostgresSecret(client, { secret, tls, ...login });
}

/** A tunnel gives another host and port; the database is the same. @throws USAGE */
function requireSameDatabase(given: PostgresConnection, place: PostgresConnection): void {
  if (given.dbname === place.dbname) return;
  throw new HoldfastError(
    'USAGE',
    `the owner's connection leads to the database ${given.dbname}, the secret of the source names ${place.dbname}`,
    { hint: 'canaries of another database would say nothing about this one' },
  );
}

async function storeSecret(client: SecretsManagerClient, name: string, text: string): Promise<void> {
  try {
    await client.send(new CreateSecretCommand({ Name: name, SecretString: text }));
  } catch (error) {
    if (!(error instanceof ResourceExistsException)) throw error;
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: text }));
  }
}

/** At once: its role is gone, and a name in its recovery window would stand in the way of the next installation. */
async function deleteSecret(client: SecretsManagerClient, name: string): Promise<void> {
  try {
    await client.send(new DeleteSecretCommand({ SecretId: name, ForceDeleteWithoutRecovery: true }));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
  }
}
