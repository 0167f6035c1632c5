import * as iam from 'aws-cdk-lib/aws-iam';
import { roleArn } from '../../core/plan/names.ts';
import { type Deployment, namedRolesOf, type Side } from '../deployment.ts';
import { tieredObjectTag } from './vault-lifecycle.ts';

/** Deleting a version, hiding one behind a delete marker, or lifting a hold. */
const deletingActions = ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutObjectLegalHold'];

/**
 * Tags steer the lifecycle, so they stay as the writer set them; only new objects bring tags along, and manifests none: a tag
 * would let the lifecycle move them to where a restore waits for days. Tags that come with a new object need
 * `s3:PutObjectTagging` too, see `nobodyChangesTags`.
 */
const untaggingActions = [
  's3:DeleteObjectTagging',
  's3:DeleteObjectVersionTagging',
  's3:PutObjectVersionTagging',
];

/** Everything by which a bucket stops keeping what is in it. */
export const configurationActions = [
  's3:DeleteBucket',
  's3:DeleteBucketPolicy',
  's3:PutBucketAcl',
  's3:PutBucketLogging',
  's3:PutBucketNotification',
  's3:PutBucketObjectLockConfiguration',
  's3:PutBucketOwnershipControls',
  's3:PutBucketPolicy',
  's3:PutBucketPublicAccessBlock',
  's3:PutBucketVersioning',
  's3:PutEncryptionConfiguration',
  's3:PutLifecycleConfiguration',
] as const;

/** The lock may end up to this long after the plan's retention: jobs compute it at their start and may run for two days. */
const lockToleranceDays = 3;

export interface VaultPolicyProps {
  readonly deployment: Deployment;
  readonly side: Side;
  readonly bucketArn: string;
}

/**
 * Explicit denies: they hold against every identity policy of the account, administrators included. Each action has at
 * most one exempt role. Bypassing a compliance lock has none, and would have no effect.
 */
export function vaultPolicyStatements(props: VaultPolicyProps): iam.PolicyStatement[] {
  const { deployment, side } = props;
  const roles = namedRolesOf(deployment);
  const retention = roleArn(deployment.plan, roles.retention(side.region));
  const deploymentRole = roleArn(deployment.plan, roles.deployment(side.region));
  // CloudFormation cannot set the standby's replication: that bucket must exist before the one it would name. The
  // function that does it takes the deployment role's place for this one action.
  const replicationSetter =
    side.role === 'standby' ? roleArn(deployment.plan, roles.replicationSetter) : deploymentRole;
  return [
    deny(props, 'OnlyRetentionDeletes', { actions: deletingActions, exempt: retention, on: 'objects' }),
    deny(props, 'NobodyRetags', { actions: untaggingActions, on: 'objects' }),
    deny(props, 'NobodyTagsAManifest', { actions: ['s3:PutObjectTagging'], on: 'manifests' }),
    nobodyChangesTags(props),
    deny(props, 'NobodyRekeys', { actions: ['s3:UpdateObjectEncryption'], on: 'objects' }),
    ...nobodyChoosesAKey(props),
    nobodyChoosesAClass(props),
    denyBypass(props, retention),
    deny(props, 'OnlyDeploymentConfigures', {
      actions: configurationActions,
      exempt: deploymentRole,
      on: 'bucket',
    }),
    deny(props, 'OnlyOneRoleSetsReplication', {
      actions: ['s3:PutReplicationConfiguration'],
      exempt: replicationSetter,
      on: 'bucket',
    }),
    ...(deployment.plan.vault.lock === 'none' ? [] : [boundLocks(props)]),
    writeOnce(props),
  ];
}

/** A governance lock is there to be lifted before its time, so one role can; of a compliance lock nobody can, so nobody may. */
function denyBypass(props: VaultPolicyProps, retention: string): iam.PolicyStatement {
  const bypass = { actions: ['s3:BypassGovernanceRetention'], on: 'objects' } as const;
  return props.deployment.plan.vault.lock === 'governance'
    ? deny(props, 'OnlyRetentionBypassesALock', { ...bypass, exempt: retention })
    : deny(props, 'NobodyBypassesALock', bypass);
}

interface Denial {
  readonly actions: readonly string[];
  /** @default - nobody is exempt */
  readonly exempt?: string;
  readonly on: 'bucket' | 'objects' | 'manifests';
}

function deny(props: VaultPolicyProps, sid: string, denial: Denial): iam.PolicyStatement {
  const { bucketArn } = props;
  const resources = {
    bucket: bucketArn,
    objects: `${bucketArn}/*`,
    manifests: `${bucketArn}/*/manifest.json`,
  };
  return new iam.PolicyStatement({
    sid,
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: [...denial.actions],
    resources: [resources[denial.on]],
    ...(denial.exempt !== undefined && {
      conditions: { ArnNotEquals: { 'aws:PrincipalArn': denial.exempt } },
    }),
  });
}

/**
 * Every object is stored under the bucket's own key. A writer that could name another one (its own, or with SSE-C one that
 * exists nowhere in AWS) would store backups that count as whole and that nobody can read once that key is taken away. The
 * keys of the condition are in a request only when it carries the header, and ours never does.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
function nobodyChoosesAKey({ bucketArn }: VaultPolicyProps): iam.PolicyStatement[] {
  const headers = {
    NobodyBringsAKey: 's3:x-amz-server-side-encryption-customer-algorithm',
    NobodyNamesAKey: 's3:x-amz-server-side-encryption-aws-kms-key-id',
    NobodyChoosesEncryption: 's3:x-amz-server-side-encryption',
  };
  return Object.entries(headers).map(
    ([sid, header]) =>
      new iam.PolicyStatement({
        sid,
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions: ['s3:PutObject'],
        resources: [`${bucketArn}/*`],
        conditions: { Null: { [header]: 'false' } },
      }),
  );
}

/**
 * The tag of an object of data is there from its first moment, as a key is written once. S3 knows the tags an object has when
 * it is asked to set others, and does not look at them in a request that creates one; so this stops the former alone.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/tagging-and-policies.html
 */
function nobodyChangesTags({ bucketArn }: VaultPolicyProps): iam.PolicyStatement {
  const existing = Object.keys(tieredObjectTag).map((key) => [`s3:ExistingObjectTag/${key}`, 'false']);
  return new iam.PolicyStatement({
    sid: 'NobodyChangesTags',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: ['s3:PutObjectTagging'],
    resources: [`${bucketArn}/*`],
    conditions: { Null: Object.fromEntries(existing) },
  });
}

/**
 * Every object begins in S3 Standard, and the lifecycle alone moves it. One that is stored in an archive class is never
 * copied to the other Region ("you can't replicate objects that are stored in the S3 Glacier Flexible Retrieval or S3 Glacier
 * Deep Archive storage classes"), and a restore would wait for it. Ours sends no such header; STANDARD by name is as good.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/sc-howtoset.html
 */
function nobodyChoosesAClass({ bucketArn }: VaultPolicyProps): iam.PolicyStatement {
  const header = 's3:x-amz-storage-class';
  return new iam.PolicyStatement({
    sid: 'NobodyChoosesAClass',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: ['s3:PutObject'],
    resources: [`${bucketArn}/*`],
    // A negated comparison alone would match a request without the header.
    conditions: { Null: { [header]: 'false' }, StringNotEquals: { [header]: 'STANDARD' } },
  });
}

/** A lock is hard or impossible to take back, so a stolen writer must not be able to lock terabytes for a hundred years. */
function boundLocks(props: VaultPolicyProps): iam.PolicyStatement {
  const maximum = props.deployment.plan.vault.retentionDays + lockToleranceDays;
  return new iam.PolicyStatement({
    sid: 'NoLockBeyondThePlan',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: ['s3:PutObject', 's3:PutObjectRetention'],
    resources: [`${props.bucketArn}/*`],
    conditions: { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': String(maximum) } },
  });
}

/**
 * No key is written twice. Starting an upload and sending its parts are `s3:PutObject` too and know no condition; S3 tells
 * them apart by `s3:ObjectCreationOperation`. Replication is `s3:ReplicateObject` and not affected.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
 */
function writeOnce(props: VaultPolicyProps): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid: 'NoKeyIsWrittenTwice',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: ['s3:PutObject'],
    resources: [`${props.bucketArn}/*`],
    conditions: {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    },
  });
}
