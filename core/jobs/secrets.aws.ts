import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import type { PostgresConnection } from '../engines/postgres/connection.ts';
import { HoldfastError } from '../errors.ts';
import type { TlsMode } from '../plan/plan.ts';
import { rdsTokens } from './rds-tokens.aws.ts';

const place = {
  host: z.string().min(1),
  port: z.coerce.number().int().min(1).max(65_535).default(5432),
  dbname: z.string().min(1).optional(),
  database: z.string().min(1).optional(),
};
const login = { username: z.string().min(1), password: z.string().optional() };
const hasDatabase = (secret: { readonly dbname?: unknown; readonly database?: unknown }) =>
  secret.dbname !== undefined || secret.database !== undefined;
const databaseIsMissing = { path: ['dbname'], message: 'is missing' };

/** As RDS writes it (`port` may be a number or text, `engine` and others may be there); `database` is accepted for `dbname`. */
const secretSchema = z.looseObject({ ...place, ...login }).refine(hasDatabase, databaseIsMissing);
/** With IAM database authentication the plan names the user and nobody has a password; what the secret says of them is not used. */
const placeSchema = z.looseObject(place).refine(hasDatabase, databaseIsMissing);

export interface SecretReference {
  /** Secrets Manager name. */
  readonly secret: string;
  readonly tls: TlsMode;
  /** PEM file with trusted authorities. */
  readonly caFile?: string;
  /** Get in by IAM database authentication: the secret tells only where the database is. */
  readonly iam?: {
    readonly username: string;
    /** Where this runs. */
    readonly region: string;
  };
}

/**
 * Reads a connection at the moment of use. No message carries a value: of a secret that does not fit only the names of the
 * fields are told.
 * @throws SOURCE_CREDENTIALS when the secret is missing, unreadable or does not fit; SOURCE_TLS for IAM without TLS
 */
export async function readPostgresSecret(
  client: SecretsManagerClient,
  reference: SecretReference,
): Promise<PostgresConnection> {
  const { iam, tls, caFile } = reference;
  const shared = { tls, ...(caFile !== undefined && { caFile }) };
  if (iam === undefined) {
    const { username, password, ...secret } = parse(
      secretSchema,
      await readSecret(client, reference),
      reference,
    );
    return { ...placeOf(secret), username, ...(password !== undefined && { password }), ...shared };
  }
  // A token is sent as it is: whoever reads it on the way can connect with it.
  if (tls === 'disable') {
    throw new HoldfastError('SOURCE_TLS', 'IAM database authentication needs TLS, but tls is disable', {
      hint: 'set tls: verify-full in the plan and deploy',
    });
  }
  const at = placeOf(parse(placeSchema, await readSecret(client, reference), reference));
  return { ...at, username: iam.username, shortLivedPassword: rdsTokens({ ...at, ...iam }), ...shared };
}

function placeOf({ host, port, dbname, database }: z.output<typeof placeSchema>) {
  return { host, port, dbname: dbname ?? database ?? '' };
}

function parse<S extends z.ZodType>(schema: S, text: string, reference: SecretReference): z.output<S> {
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const fields = new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'JSON'));
  throw refused(reference, `does not fit: ${[...fields].join(', ')}`);
}

async function readSecret(client: SecretsManagerClient, reference: SecretReference): Promise<string> {
  try {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: reference.secret }));
    return answer.SecretString ?? new TextDecoder().decode(answer.SecretBinary);
  } catch (error) {
    if (error instanceof ResourceNotFoundException)
      throw refused(reference, 'does not exist in this Region', { cause: error });
    const { name = '', code = '' } = error as { readonly name?: string; readonly code?: string };
    if (notAllowed.test(name)) {
      const hint = 'may the role of the task read it and use its key, and are its credentials still valid?';
      throw refused(reference, `may not be read (${name})`, { hint, cause: error });
    }
    if (!silence.test(name) && !silence.test(code)) throw error;
    throw new HoldfastError(
      'SOURCE_UNREACHABLE',
      `secret ${reference.secret} cannot be read: Secrets Manager does not answer (${code || name})`,
      { hint: 'is there a way from the task to Secrets Manager: NAT, or an endpoint?', cause: error },
    );
  }
}

const notAllowed = /AccessDenied|Decryption|ExpiredToken|UnrecognizedClient/;
/** Names and system codes of what may pass. */
const silence =
  /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|Timeout|Throttling|InternalService|ServiceUnavailable)/;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    return undefined;
  }
}

function refused(
  { secret, iam }: SecretReference,
  what: string,
  why: { readonly hint?: string; readonly cause?: unknown } = {},
): HoldfastError {
  const fields = iam === undefined ? 'host, port, dbname, username and password' : 'host, port and dbname';
  return new HoldfastError('SOURCE_CREDENTIALS', `secret ${secret} ${what}`, {
    hint: `it must be JSON with ${fields}, under the same name in every Region`,
    ...why,
  });
}
