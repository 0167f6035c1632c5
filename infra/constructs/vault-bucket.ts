import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Plan } from '../../core/plan/plan.ts';
import type { Deployment, Side } from '../deployment.ts';
import { vaultLifecycleRules } from './vault-lifecycle.ts';
import { vaultPolicyStatements } from './vault-policy.ts';
import type { Replication } from './replication.ts';

export interface VaultBucketProps {
  readonly deployment: Deployment;
  readonly side: Side;
  /** Key of the second layer, S3's own encryption. @default - keys that S3 manages (SSE-S3), which nobody can disable or delete */
  readonly serverSideKey?: kms.IKey;
  /** Where every object is copied to. @default - set later, once the other bucket exists */
  readonly replication?: Replication;
}

/** The vault of one Region: written once, locked, copied to the other Region, never emptied by a deployment. */
export class VaultBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: VaultBucketProps) {
    super(scope, id);
    const { deployment, side } = props;
    const { plan, names } = deployment;
    const accessLogs = this.#accessLogs(names.accessLogBucket(side.region));
    this.bucket = new s3.Bucket(this, 'Bucket', {
      bucketName: names.vaultBucket(side.region),
      versioned: true,
      ...objectLock(plan.vault),
      ...encryption(props.serverSideKey),
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'vault/',
      lifecycleRules: vaultLifecycleRules(plan.vault),
      // Below 128 KiB a colder class costs more than it saves (minimum size, 40 KB overhead, price per move), and small
      // objects stay readable at once.
      transitionDefaultMinimumObjectSize: s3.TransitionDefaultMinimumObjectSize.ALL_STORAGE_CLASSES_128_K,
      ...(props.replication !== undefined && {
        replicationRole: props.replication.role,
        replicationRules: [props.replication.rule],
      }),
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    // S3 tells of deletions by itself, without a trail. The construct's own option makes a function for this.
    (this.bucket.node.defaultChild as s3.CfnBucket).notificationConfiguration = {
      eventBridgeConfiguration: { eventBridgeEnabled: true },
    };
    const bucketArn = `arn:aws:s3:::${names.vaultBucket(side.region)}`;
    for (const statement of vaultPolicyStatements({ deployment, side, bucketArn })) {
      this.bucket.addToResourcePolicy(statement);
    }
    keepPolicy(this.bucket, names.vaultBucket(side.region));
  }

  /** A bucket with Object Lock cannot receive access logs, so they need one of their own. */
  #accessLogs(bucketName: string): s3.Bucket {
    const bucket = new s3.Bucket(this, 'AccessLogs', {
      bucketName,
      // An intruder's tracks: whoever overwrites or deletes a log object leaves the version before.
      versioned: true,
      // S3's log delivery writes to buckets with SSE-S3 only.
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      lifecycleRules: [
        {
          id: 'forget-old-logs',
          expiration: Duration.days(400),
          noncurrentVersionExpiration: Duration.days(400),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    keepPolicy(bucket, bucketName);
    return bucket;
  }
}

/**
 * A bucket that outlives its stack must not lose the denies that protect it. The policy names its bucket by name: by a
 * reference CloudFormation could not find it again when a new deployment takes it over.
 */
function keepPolicy(bucket: s3.Bucket, bucketName: string): void {
  const policy = bucket.policy?.node.defaultChild;
  if (!(policy instanceof s3.CfnBucketPolicy)) throw new Error(`bucket ${bucketName} has no policy to keep`);
  policy.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  policy.addPropertyOverride('Bucket', bucketName);
  policy.node.addDependency(bucket.node.defaultChild ?? bucket);
}

function objectLock(vault: Plan['vault']): Partial<s3.BucketProps> {
  if (vault.lock === 'none') return {};
  const duration = Duration.days(vault.retentionDays);
  return {
    objectLockEnabled: true,
    // A floor for whatever is written without a lock of its own; writers set one for each object.
    objectLockDefaultRetention:
      vault.lock === 'compliance'
        ? s3.ObjectLockRetention.compliance(duration)
        : s3.ObjectLockRetention.governance(duration),
  };
}

function encryption(key: kms.IKey | undefined): Partial<s3.BucketProps> {
  return key === undefined
    ? { encryption: s3.BucketEncryption.S3_MANAGED }
    : { encryption: s3.BucketEncryption.KMS, encryptionKey: key, bucketKeyEnabled: true };
}
