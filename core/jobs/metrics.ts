/**
 * Names of the CloudWatch metrics that Lambdas write and alarms watch. All carry the dimension `plan`, and `source` where
 * they are about one source. Alarms and dashboards depend on them: rename none.
 */
export const metricNamespace = 'Holdfast';

export const metricDimensions = { plan: 'plan', source: 'source' } as const;

export const metricNames = {
  /** Backups that ended with a stored recovery point; Count per source. */
  backupsTotal: 'backups_total',
  /** Jobs of any kind that failed; Count per source. */
  backupsFailedTotal: 'backups_failed_total',
  restoresFailedTotal: 'restores_failed_total',
  /** Restore tests that did not pass, those not testable included; Count per source. */
  restoreTestsFailedTotal: 'restore_tests_failed_total',
  restoreTestsTotal: 'restore_tests_total',
  restoresTotal: 'restores_total',
  /** Objects that a restore could not make although all rows are in; Count per source. */
  restoreFaults: 'restore_faults',
  /** From the job's start to its end; Seconds per source. */
  backupDurationSeconds: 'backup_duration_seconds',
  restoreDurationSeconds: 'restore_duration_seconds',
  /** Stored bytes of the newest backup; Bytes per source. */
  backupSizeBytes: 'backup_size_bytes',
  /** 0 for each run of a source's canary writer that went well, and nothing for one that did not; Count per source. */
  canaryNotWritten: 'canary_not_written',
  /** Age of the newest point that is whole in this Region's own vault; Count of hours per source. */
  backupAgeHours: 'backup_age_hours',
  /** 1 when a heartbeat was due and did not leave the account, else 0; per plan. */
  heartbeatMissing: 'heartbeat_missing',
  /** 1 while the other Region's vault does not answer the copy check, else 0; per plan, so that one outage is one alarm. */
  peerDown: 'peer_down',
  /** Copies that were not complete within the time allowed, those of earlier points that still are not among them; Count per source. */
  replicationLateTotal: 'replication_late_total',
  /** From the point's end to the confirmed copy; Seconds per source. */
  replicationSeconds: 'replication_seconds',
  /** Objects that differ or are not locked in the other Region, of earlier points too, and manifests that cannot be used; Count per source. */
  verificationFailedTotal: 'verification_failed_total',
} as const;

export type MetricName = (typeof metricNames)[keyof typeof metricNames];

/** One value to publish; what computes it stays free of CloudWatch. */
export interface MetricValue {
  readonly name: MetricName;
  readonly unit: 'Count' | 'Seconds' | 'Bytes';
  readonly value: number;
  /** Missing for values about the whole plan. */
  readonly source?: string;
}
