import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Deployment, Side } from '../deployment.ts';

export interface ReplicationProps {
  readonly deployment: Deployment;
  /** The Region that copies from. */
  readonly side: Side;
  /** The vault key: older objects stay under it when the plan gets a break-glass key later. */
  readonly vaultKey: kms.IKey;
  /** Key of S3's own encryption in both Regions, which S3 uses with the role's right. @default - S3's own, which needs none */
  readonly key?: kms.IKey;
}

/**
 * Copies every object of one Region's vault to the other's, with tags and lock. The role outlives `cdk destroy` as the vault
 * does: what was written last still has to arrive.
 *
 * Copies have the encryption of what they are copied from. Objects under KMS are copied only when the rule says so, and names
 * the key of the copies: https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
 */
export class Replication extends Construct {
  readonly role: iam.Role;
  readonly rule: s3.ReplicationRule;
  /** The key of the copies. @default - S3's own */
  readonly destinationKeyArn: string | undefined;

  constructor(scope: Construct, id: string, props: ReplicationProps) {
    super(scope, id);
    const { plan, names } = props.deployment;
    const { region, peerRegion } = props.side;
    const source = `arn:aws:s3:::${names.vaultBucket(region)}`;
    const destinationName = names.vaultBucket(peerRegion);
    const destination = s3.Bucket.fromBucketName(this, 'Destination', destinationName);
    // A multi-Region key has the same id everywhere.
    this.destinationKeyArn = props.key && `arn:aws:kms:${peerRegion}:${plan.account}:key/${props.key.keyId}`;
    const statements = [
      ...copyStatements(source, destination.bucketArn),
      ...this.#keyStatements(props, source, destination.bucketArn),
    ];
    this.role = new iam.Role(this, 'Role', {
      roleName: `${names.prefix}-replication-${region}`,
      description: `Copies the vault in ${region} to ${peerRegion}`,
      assumedBy: new iam.ServicePrincipal('s3.amazonaws.com'),
      inlinePolicies: { copy: new iam.PolicyDocument({ statements }) },
    });
    this.role.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
    this.rule = {
      id: 'copy-everything',
      destination,
      priority: 1,
      // Deletes never travel: whoever hides an object in one Region hides nothing in the other.
      deleteMarkerReplication: false,
      replicaModifications: false,
      ...(this.destinationKeyArn !== undefined && {
        sseKmsEncryptedObjects: true,
        kmsKey: kms.Key.fromKeyArn(this, 'DestinationKey', this.destinationKeyArn),
      }),
      metrics: s3.ReplicationTimeValue.FIFTEEN_MINUTES,
      ...(plan.vault.replicationTimeControl && {
        replicationTimeControl: s3.ReplicationTimeValue.FIFTEEN_MINUTES,
      }),
    };
    acknowledgeObjectWildcards(this.role, [source, destination.bucketArn]);
  }

  /** With S3 Bucket Keys the encryption context is the bucket, not the object. */
  #keyStatements(props: ReplicationProps, source: string, destination: string): iam.PolicyStatement[] {
    const through = (region: string, bucketArn: string) => ({
      StringEquals: {
        'kms:ViaService': `s3.${region}.amazonaws.com`,
        'kms:EncryptionContext:aws:s3:arn': bucketArn,
      },
    });
    return [
      new iam.PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [props.vaultKey.keyArn],
        conditions: through(props.side.region, source),
      }),
      ...(this.destinationKeyArn === undefined
        ? []
        : [
            new iam.PolicyStatement({
              actions: ['kms:Encrypt', 'kms:GenerateDataKey'],
              resources: [this.destinationKeyArn],
              conditions: through(props.side.peerRegion, destination),
            }),
          ]),
    ];
  }
}

function copyStatements(source: string, destination: string): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({
      actions: ['s3:GetReplicationConfiguration', 's3:ListBucket'],
      resources: [source],
    }),
    new iam.PolicyStatement({
      actions: [
        's3:GetObjectVersionForReplication',
        's3:GetObjectVersionAcl',
        's3:GetObjectVersionTagging',
        // Without these two an object arrives without its lock.
        's3:GetObjectRetention',
        's3:GetObjectLegalHold',
      ],
      resources: [`${source}/*`],
    }),
    new iam.PolicyStatement({
      actions: ['s3:ReplicateObject', 's3:ReplicateTags'],
      resources: [`${destination}/*`],
    }),
  ];
}

function acknowledgeObjectWildcards(role: iam.Role, bucketArns: readonly string[]): void {
  for (const arn of bucketArns) {
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${arn}/*]`,
      reason:
        'Replication copies every object of the vault: the objects of one bucket are exactly its scope.',
    });
  }
}
