import { Duration } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Plan } from '../../core/plan/plan.ts';

/** Only objects with this tag move to cheaper storage; manifests have none and stay readable at once. */
export const tieredObjectTag = { holdfast: 'data' } as const;

/** From this age on S3 accepts Standard-IA, which is cheaper to read than Glacier Instant Retrieval. */
const standardInfrequentAccessMinimumDays = 30;

/**
 * The same rules on both buckets, because replication copies objects and never what a lifecycle did to them. Nothing
 * expires here, noncurrent versions included: a version that someone put another one on top of may be the good one.
 */
export function vaultLifecycleRules(vault: Plan['vault']): s3.LifecycleRule[] {
  const transitions = tierTransitions(vault.tiers);
  return [
    // S3 refuses this action in a rule that filters by tag. Seven days are longer than any job may run.
    { id: 'abort-dead-uploads', abortIncompleteMultipartUploadAfter: Duration.days(7) },
    ...(transitions.length === 0
      ? []
      : [
          {
            id: 'tier-data',
            tagFilters: tieredObjectTag,
            transitions,
            noncurrentVersionTransitions: transitions.map(({ storageClass, transitionAfter }) => ({
              storageClass,
              transitionAfter,
            })),
          },
        ]),
  ];
}

function tierTransitions(tiers: Plan['vault']['tiers']) {
  const { warmAfterDays, coldAfterDays } = tiers;
  const warmClass =
    (warmAfterDays ?? 0) >= standardInfrequentAccessMinimumDays
      ? s3.StorageClass.INFREQUENT_ACCESS
      : s3.StorageClass.GLACIER_INSTANT_RETRIEVAL;
  return [
    ...(warmAfterDays === undefined ? [] : [transition(warmClass, warmAfterDays)]),
    ...(coldAfterDays === undefined ? [] : [transition(s3.StorageClass.DEEP_ARCHIVE, coldAfterDays)]),
  ];
}

function transition(storageClass: s3.StorageClass, days: number) {
  return { storageClass, transitionAfter: Duration.days(days) };
}
