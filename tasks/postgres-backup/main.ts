import { runBackup } from '../../core/jobs/run-backup.ts';
import { runTask } from '../entrypoint.ts';
import { connectBySecret, postgresJob } from '../postgres.ts';

await runTask(async (task) => {
  const { settings } = task;
  const lockUntil = settings.HOLDFAST_LOCK_UNTIL;
  const point = await runBackup({
    ...(await postgresJob(task)),
    connect: connectBySecret(settings),
    onDdl: settings.HOLDFAST_ON_DDL,
    lockMode: settings.HOLDFAST_LOCK_MODE,
    ...(lockUntil !== undefined && { lockUntil: new Date(lockUntil) }),
  });
  return { recoveryPointId: point.id, items: point.items, rows: point.rows, storedBytes: point.storedBytes };
});
