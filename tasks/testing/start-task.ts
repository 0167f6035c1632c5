import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { ulid } from 'ulid';

export interface Task {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** Starts the backup task over a directory vault, with what a deployment would set unless the environment says otherwise. */
export function startBackupTask(environment: Readonly<Record<string, string>>): Task {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'backup-child.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOLDFAST_PLAN_NAME: 'acme',
      HOLDFAST_REGION: 'us-east-1',
      HOLDFAST_PEER_REGION: 'us-west-2',
      HOLDFAST_VAULT_URL: 's3://holdfast-acme',
      HOLDFAST_PEER_VAULT_URL: 's3://holdfast-acme-peer',
      HOLDFAST_VAULT_KEY_ARN: 'arn:aws:kms:us-east-1:111122223333:key/mrk-1',
      HOLDFAST_SIGNING_KEY_ARN: 'arn:aws:kms:us-east-1:111122223333:key/mrk-2',
      HOLDFAST_JOB_KIND: 'backup',
      HOLDFAST_RECOVERY_POINT_ID: ulid(),
      HOLDFAST_PROGRESS_SECONDS: '0.1',
      ...environment,
    },
  });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, output: Buffer.concat(chunks).toString() }));
  });
  return { child, ended };
}
