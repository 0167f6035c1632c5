import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import * as z from 'zod';
import type { PostgresConnection } from '../engines/postgres/connection.ts';
import { HoldfastError } from '../errors.ts';
import type { TlsMode } from '../plan/plan.ts';

/** As RDS writes it (`port` may be a number or text, `engine` and others may be there); `database` is accepted for `dbname`. */
const secretSchema = z
  .looseObject({
    host: z.string().min(1),
    port: z.coerce.number().int().min(1).max(65_535).default(5432),
    dbname: z.string().min(1).optional(),
    database: z.string().min(1).optional(),
    username: z.string().min(1),
    password: z.string().optional(),
  })
  .refine((secret) => secret.dbname !== undefined || secret.database !== undefined, {
    path: ['dbname'],
    message: 'is missing',
  });

export interface SecretReference {
  /** Secrets Manager name. */
  readonly secret: string;
  readonly tls: TlsMode;
  /** PEM file with trusted authorities. */
  readonly caFile?: string;
}

/**
 * Reads a connection at the moment of use. No message carries a value: of a secret that does not fit only the names of the
 * fields are told.
 * @throws SOURCE_CREDENTIALS when the secret is missing, unreadable or does not fit
 */
export async function readPostgresSecret(
  client: SecretsManagerClient,
  reference: SecretReference,
): Promise<PostgresConnection> {
  const text = await readSecret(client, reference.secret);
  const parsed = secretSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    const fields = [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'JSON'))].join(
      ', ',
    );
    throw refused(reference.secret, `does not fit: ${fields}`);
  }
  const { host, port, dbname, database, username, password } = parsed.data;
  return {
    host,
    port,
    dbname: dbname ?? database ?? '',
    username,
    ...(password !== undefined && { password }),
    tls: reference.tls,
    ...(reference.caFile !== undefined && { caFile: reference.caFile }),
  };
}

async function readSecret(client: SecretsManagerClient, name: string): Promise<string> {
  try {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: name }));
    return answer.SecretString ?? new TextDecoder().decode(answer.SecretBinary);
  } catch (error) {
    if (error instanceof ResourceNotFoundException)
      throw refused(name, 'does not exist in this Region', error);
    const errorName = (error as { name?: string }).name ?? '';
    if (/AccessDenied|Decryption/.test(errorName))
      throw refused(name, `may not be read (${errorName})`, error);
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    return undefined;
  }
}

function refused(name: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('SOURCE_CREDENTIALS', `secret ${name} ${what}`, {
    hint: 'it must be JSON with host, port, dbname, username and password, under the same name in every Region',
    ...(cause !== undefined && { cause }),
  });
}
