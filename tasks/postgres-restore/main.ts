import { readCanaryKey } from '../../core/jobs/canary-key.aws.ts';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { CheckOrder } from '../../core/jobs/restore-and-check.ts';
import { runRestore } from '../../core/jobs/run-restore.ts';
import { runRestoreTest } from '../../core/jobs/run-restore-test.ts';
import { postgresScratch } from '../../core/jobs/scratch-server.ts';
import { runTask, type TaskContext } from '../entrypoint.ts';
import { connectBySecret, postgresJob, required } from '../postgres.ts';

async function restore(task: TaskContext) {
  const { settings } = task;
  return runRestore({
    ...(await postgresJob(task)),
    recoveryPointId: settings.HOLDFAST_RECOVERY_POINT_ID,
    connect: connectBySecret(settings),
    strict: settings.HOLDFAST_STRICT,
    ...checksOf(settings),
    ...passedOver(settings),
    ...(settings.HOLDFAST_TABLES !== undefined && { tables: settings.HOLDFAST_TABLES }),
  });
}

function passedOver({ HOLDFAST_PASSED_OVER: points }: TaskContext['settings']) {
  return points === undefined ? {} : { passedOver: points };
}

function checksOf(settings: TaskContext['settings']): CheckOrder {
  const { HOLDFAST_CHECKS: assertions = [], HOLDFAST_CHECKS_LEFT_OUT: assertionsLeftOut = 0 } = settings;
  const { HOLDFAST_CANARY_KEY_SECRET: secret } = settings;
  return {
    assertions,
    assertionsLeftOut,
    ...(secret !== undefined && { canaryKey: () => readCanaryKey(keyClient(), secret) }),
  };
}

/** With a limit: a restore that is done must not wait for a service that does not answer. */
function keyClient(): SecretsManagerClient {
  return new SecretsManagerClient({
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 3000, requestTimeout: 10_000 },
  });
}

async function restoreTest(task: TaskContext) {
  const { settings } = task;
  const scratch = postgresScratch({
    port: required(settings.HOLDFAST_SCRATCH_PORT, 'HOLDFAST_SCRATCH_PORT'),
    controlDirectory: required(settings.HOLDFAST_SCRATCH_CONTROL, 'HOLDFAST_SCRATCH_CONTROL'),
  });
  return runRestoreTest({
    ...(await postgresJob(task)),
    recoveryPointId: settings.HOLDFAST_RECOVERY_POINT_ID,
    ...passedOver(settings),
    scratch,
    ...checksOf(settings),
  });
}

await runTask(async (task) => {
  const isTest = task.settings.HOLDFAST_JOB_KIND === 'restore-test';
  return { ...(await (isTest ? restoreTest(task) : restore(task))) };
});
