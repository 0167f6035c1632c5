import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { PostgresConnection } from '../core/engines/postgres/connection.ts';
import { createPostgresEngine } from '../core/engines/postgres/postgres-engine.ts';
import { HoldfastError } from '../core/errors.ts';
import { openOwnVault } from '../core/jobs/deployment-vault.ts';
import type { JobContext } from '../core/jobs/job-context.ts';
import { readPostgresSecret } from '../core/jobs/secrets.aws.ts';
import type { TaskSettings } from '../core/jobs/settings.ts';
import type { TaskContext } from './entrypoint.ts';

/** What both PostgreSQL tasks hand to their job. */
export async function postgresJob(task: TaskContext): Promise<JobContext<PostgresConnection>> {
  const { settings, catalog, signal, log } = task;
  const bin = settings.HOLDFAST_POSTGRES_BIN;
  const engine = createPostgresEngine(
    bin === undefined ? {} : { binDirectory: (major) => bin.replaceAll('{major}', String(major)) },
  );
  return {
    catalog,
    vault: await openOwnVault(settings),
    engine,
    jobId: settings.HOLDFAST_JOB_ID,
    source: settings.HOLDFAST_SOURCE,
    region: settings.HOLDFAST_REGION,
    connections: settings.HOLDFAST_CONNECTIONS,
    progressSeconds: settings.HOLDFAST_PROGRESS_SECONDS,
    signal,
    log,
    now: () => new Date(),
  };
}

/** Reads the connection when it is asked for, never before. */
export function connectBySecret(settings: TaskSettings): () => Promise<PostgresConnection> {
  return () =>
    readPostgresSecret(new SecretsManagerClient({}), {
      secret: required(settings.HOLDFAST_SECRET, 'HOLDFAST_SECRET'),
      tls: settings.HOLDFAST_TLS,
      ...(settings.HOLDFAST_CA_FILE !== undefined && { caFile: settings.HOLDFAST_CA_FILE }),
      ...(settings.HOLDFAST_IAM_USER !== undefined && {
        iam: { username: settings.HOLDFAST_IAM_USER, region: settings.HOLDFAST_REGION },
      }),
    });
}

/** A setting that only some kinds of job need. @throws SETTING_INVALID */
export function required<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new HoldfastError(
    'SETTING_INVALID',
    `the environment does not fit: ${name}: is missing for this kind of job`,
  );
}
