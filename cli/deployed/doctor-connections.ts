import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { readServer } from '../../core/engines/postgres/server.ts';
import { requireEmpty } from '../../core/engines/postgres/restore-target.ts';
import { Session } from '../../core/engines/postgres/session.ts';
import { isHoldfastError } from '../../core/errors.ts';
import { readPostgresSecret } from '../../core/jobs/secrets.aws.ts';
import type { ConnectionPlan } from '../../core/plan/plan.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { diagnose, Fault, type Finding, shellWord, shorten, Unknown } from './doctor-look.ts';

/** A source or a target as one Region's secret has it. */
interface Place {
  readonly kind: 'source' | 'target';
  readonly id: string;
  readonly region: string;
  readonly plan: ConnectionPlan;
  readonly connection?: PostgresConnection;
}

/** How long a database may take to let this machine in, milliseconds. */
const waitMs = 8000;

/**
 * Secrets of all sources in both Regions, for after a failover either reads them, and of each target in its own; then the
 * databases themselves, each once. Secrets' values stay in here.
 */
export async function checkConnections(
  deployment: Deployment,
  regions: readonly string[],
): Promise<Finding[]> {
  const wanted = regions.flatMap((region) => placesIn(deployment, region));
  const read = await Promise.all(wanted.map((place) => readPlace(deployment, place)));
  const places = read.map(({ place }) => place).filter(({ connection }) => connection !== undefined);
  const databases = onePerDatabase(places);
  return [
    ...read.map(({ finding }) => finding),
    ...sameDatabase(places),
    ...(await Promise.all(databases.map(connect))),
  ];
}

function placesIn({ plan }: Deployment, region: string): Place[] {
  return [
    ...plan.sources.map(({ id, connection }) => ({
      kind: 'source' as const,
      id,
      region,
      plan: connection,
    })),
    ...plan.targets
      .filter((target) => target.region === region)
      .map(({ id, connection }) => ({ kind: 'target' as const, id, region, plan: connection })),
  ];
}

async function readPlace(
  { plan }: Deployment,
  place: Place,
): Promise<{ readonly finding: Finding; readonly place: Place }> {
  const { kind, id, region } = place;
  const { secret, tls, iam, username } = place.plan;
  const other = region === plan.regions.primary ? plan.regions.standby : plan.regions.primary;
  const client = new SecretsManagerClient({ region, ...clientSettings });
  const put = `aws secretsmanager put-secret-value --region ${region} --secret-id ${shellWord(secret)} --secret-string file://FILE, with FILE as docs/plan.md says under connection`;
  const create = `aws secretsmanager create-secret --region ${region} --name ${shellWord(secret)} --secret-string file://FILE, with FILE as docs/plan.md says under connection`;
  const missing =
    kind === 'source'
      ? `aws secretsmanager replicate-secret-to-regions --region ${other} --secret-id ${shellWord(secret)} --add-replica-regions Region=${region}; where ${other} has none either: ${create}`
      : create;
  let connection: PostgresConnection | undefined;
  const look = async () => {
    const { DeletedDate } = await client.send(new DescribeSecretCommand({ SecretId: secret }));
    if (DeletedDate !== undefined) {
      const restore = `aws secretsmanager restore-secret --region ${region} --secret-id ${shellWord(secret)}`;
      throw new Fault('is scheduled for deletion', restore);
    }
    const user = username === undefined ? {} : { iam: { username, region } };
    try {
      connection = await readPostgresSecret(client, { secret, tls, ...(iam && user) });
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      if (/may not be read/.test(error.message))
        throw new Unknown('is there; these credentials may not read it', undefined);
      if (error.code === 'SOURCE_CREDENTIALS') throw new Fault(error.message, put);
      throw error;
    }
    return 'fits';
  };
  const finding = await diagnose({ what: `secret ${secret} of ${kind} ${id}`, fix: missing, look }, region);
  return { finding, place: connection === undefined ? place : { ...place, connection } };
}

const databaseOf = ({ connection: c }: Place) => `${c?.host.toLowerCase()}:${c?.port}/${c?.dbname}`;

/** A restore into a source's own database would be refused, at the worst moment; two secrets do not show it. */
function sameDatabase(places: readonly Place[]): Finding[] {
  const sources = new Map(
    places.filter(({ kind }) => kind === 'source').map((place) => [databaseOf(place), place.id]),
  );
  return places.flatMap((place): Finding[] => {
    const source = sources.get(databaseOf(place));
    if (place.kind === 'source' || source === undefined) return [];
    return [
      {
        what: `database of target ${place.id}`,
        region: place.region,
        state: 'FAULT',
        detail: `is that of source ${source}: ${databaseOf(place)}`,
        fix: `aws secretsmanager put-secret-value --region ${place.region} --secret-id ${shellWord(place.plan.secret)} --secret-string file://FILE, with the place of another database in FILE`,
      },
    ];
  });
}

/** The secret of a source says the same in both Regions, mostly; its database is asked once. */
function onePerDatabase(places: readonly Place[]): Place[] {
  const key = (place: Place) =>
    `${place.kind} ${place.id} ${databaseOf(place)} ${place.connection?.username}`;
  return [...new Map(places.toReversed().map((place) => [key(place), place])).values()].toReversed();
}

function connect({ kind, id, region, connection }: Place): Promise<Finding> {
  const what = `connection to ${kind} ${id}`;
  const fix = 'see the detail';
  return diagnose({ what, fix, look: () => enter(kind, connection as PostgresConnection) }, region);
}

const fromHere = 'from this machine';

async function enter(kind: Place['kind'], connection: PostgresConnection): Promise<string> {
  const signal = AbortSignal.timeout(waitMs);
  const { host, port, dbname, username } = connection;
  try {
    const session = await Session.connect(connection, { signal, answerSeconds: waitMs / 1000 });
    try {
      const { version } = await readServer(session);
      if (kind === 'target') await requireEmpty(session, connection);
      return `PostgreSQL ${version} lets ${username} in ${fromHere}${kind === 'target' ? '; empty' : ''}`;
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const said = shorten(error.message, 160);
    if (error.code === 'TARGET_NOT_EMPTY') throw new Fault(said, error.hint);
    // The server answered and judged the user; who may come from where is another question for the tasks.
    if (error.code === 'SOURCE_CREDENTIALS' && !/pg_hba/.test(said)) throw new Fault(said, error.hint);
    if (error.detail?.['sqlState'] === '3D000')
      throw new Fault(
        said,
        `create database ${dbname} at ${host}:${port}, or name another one in the secret`,
      );
    throw new Unknown(`${said} (${fromHere}: tasks come from another network and trust other authorities)`);
  }
}
