import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { createPostgresEngine } from '../../core/engines/postgres/postgres-engine.ts';
import { runBackup } from '../../core/jobs/run-backup.ts';
import { openVault } from '../../core/vault/open-vault.ts';
import { runTask } from '../entrypoint.ts';

/** The backup task over a directory vault, as a process of its own that a test can kill. */
await runTask(async (task) => {
  const { settings, catalog, signal, log } = task;
  const vault = await openVault({
    url: process.env['TEST_VAULT'] ?? '',
    keys: { kind: 'key-file', path: process.env['TEST_KEY_FILE'] ?? '' },
  });
  const connection = JSON.parse(process.env['TEST_CONNECTION'] ?? '') as PostgresConnection;
  const bin = settings.HOLDFAST_POSTGRES_BIN ?? '';
  const idleSeconds = process.env['TEST_IDLE_SECONDS'];
  const point = await runBackup({
    catalog,
    vault,
    engine: createPostgresEngine({
      binDirectory: (major) => bin.replaceAll('{major}', String(major)),
      ...(idleSeconds !== undefined && { idleSeconds: Number(idleSeconds) }),
    }),
    jobId: settings.HOLDFAST_JOB_ID,
    source: settings.HOLDFAST_SOURCE,
    region: settings.HOLDFAST_REGION,
    connections: settings.HOLDFAST_CONNECTIONS,
    progressSeconds: settings.HOLDFAST_PROGRESS_SECONDS,
    signal,
    log,
    now: () => new Date(),
    connect: async () => connection,
    onDdl: 'yield',
    retrySeconds: 0.2,
  });
  return { recoveryPointId: point.id };
});
