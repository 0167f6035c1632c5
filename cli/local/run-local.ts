import os from 'node:os';
import { createMemoryCatalogStore } from '../../core/catalog/catalog-store.memory.ts';
import type { JobKind } from '../../core/catalog/job.ts';
import type { EngineLog } from '../../core/engines/engine.ts';
import type { PostgresConnection } from '../../core/engines/postgres/connection.ts';
import { createPostgresEngine } from '../../core/engines/postgres/postgres-engine.ts';
import { HoldfastError } from '../../core/errors.ts';
import { describeActivity, isMovingRows } from '../../core/jobs/activity.ts';
import { idFor } from '../../core/jobs/job-ids.ts';
import type { JobContext } from '../../core/jobs/job-context.ts';
import type { Vault } from '../../core/vault/vault.ts';
import { type CommandContext, redact } from '../run-command.ts';
import { findPostgresClients } from './postgres-clients.ts';

/** Recorded in a manifest where a deployed job records its Region. */
const here = 'local';

export interface LocalJob {
  readonly kind: JobKind;
  readonly source: string;
  readonly vault: Vault;
  readonly connections: number;
  readonly doing: string;
}

/**
 * The same operation that a Fargate task runs, with a catalogue that lives as long as the command: a single host has
 * nobody to share jobs with, and the vault alone says which recovery points exist.
 */
export async function localJobContext(
  job: LocalJob,
  command: CommandContext,
): Promise<JobContext<PostgresConnection>> {
  const now = new Date();
  const owner = `local:${os.hostname()}:${process.pid}`;
  const execution = { arn: `${owner}:${now.toISOString()}`, startedAt: now };
  const catalog = createMemoryCatalogStore();
  await catalog.setControl({ activeRegion: here, epoch: 1 }, undefined);
  const claimed = await catalog.claim({
    jobId: idFor('job', execution),
    kind: job.kind,
    source: job.source,
    region: here,
    owner,
    epoch: 1,
    scheduledFor: now,
    now,
    leaseUntil: new Date(now.getTime() + 120_000),
    ...(job.kind === 'backup' && { recoveryPointId: idFor('point', execution) }),
  });
  return {
    catalog,
    vault: job.vault,
    engine: createPostgresEngine({
      binDirectory: (major) => findPostgresClients(major, process.env['PATH'] ?? ''),
      ...(process.env['PATH'] !== undefined && { searchPath: process.env['PATH'] }),
    }),
    jobId: claimed.id,
    source: job.source,
    region: here,
    connections: job.connections,
    progressSeconds: 0.5,
    onProgress: (progress) =>
      command.progress.update(
        isMovingRows(progress)
          ? { doing: job.doing, ...progress }
          : { doing: `${job.doing}: ${describeActivity(job.kind, progress)}` },
      ),
    signal: command.signal,
    log: logTo(command),
    now: () => new Date(),
  };
}

/** What stands behind a warning is told in words; what comes of a stop that was asked for is no news. */
function logTo({ signal, warn }: CommandContext): EngineLog {
  return {
    info: () => undefined,
    warn: (message, detail = {}) => {
      if (signal.aborted) return;
      const facts = Object.entries(detail).map(([name, value]) => `${name} ${wordOf(value)}`);
      warn(redact(facts.length === 0 ? message : `${message} (${facts.join(', ')})`));
    },
  };
}

function wordOf(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? Object.values(value).map(wordOf).join(' ')
    : String(value);
}

/** @throws USAGE */
export function parseConnections(text: string): number {
  const connections = /^\d+$/.test(text) ? Number(text) : 0;
  if (connections < 1 || connections > 64) {
    throw new HoldfastError('USAGE', `--connections is ${JSON.stringify(text)}; allowed is 1 to 64`);
  }
  return connections;
}
