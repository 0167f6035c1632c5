/**
 * Every kind of alarm there is. The kind is part of the alarm's name and the heading of its section in docs/runbook.md; a
 * test compares both ways.
 */
export const alarmKinds = {
  'backup-failed': 'A backup failed.',
  'backup-overdue': 'No new protected recovery point although one is due for more than two hours.',
  'backup-too-old': 'The newest protected recovery point is older than the RPO allows.',
  'backup-slow': 'A backup took longer than planned.',
  'backup-large': 'A backup stored more than 100 GB.',
  'replication-late': 'The other Region had no complete, locked copy within the time allowed.',
  'verification-failed': 'An object in the other Region differs from what was stored.',
  'peer-down': "The other Region's vault does not answer: new recovery points have no copy.",
  'restore-failed': 'A restore failed.',
  'restore-test-failed': 'A restore test did not pass.',
  'dead-man': 'Seen from the other Region: no protected recovery point within the RPO, or no news at all.',
  'schedule-not-delivered': 'A schedule could not start its job; the order lies in the dead-letter queue.',
  'vault-configuration-changed':
    'Someone tried to change what protects the vault: lock, replication, lifecycle or policy.',
  'key-endangered': 'Someone tried to disable or delete a key of the vault, or to change its policy.',
  'trail-endangered':
    'Someone tried to stop, delete or change a CloudTrail trail; without one the alarms for tampering hear nothing.',
} as const;

export type AlarmKind = keyof typeof alarmKinds;

export const runbookFile = 'docs/runbook.md';
