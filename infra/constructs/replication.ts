import { Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Deployment, Side } from '../deployment.ts';

export interface ReplicationProps {
  readonly deployment: Deployment;
  /** The Region that copies from. */
  readonly side: Side;
  /** The vault key: of objects that were stored before the plan had a break-glass key too, and those may still wait for their copy. */
  readonly sourceKey: kms.IKey;
  /** The key that copies are written with, in the other Region. */
  readonly destinationKey: kms.IKey;
  /** Whether `destinationKey` is S3's own, which needs no grant. @default false */
  readonly destinationKeyIsManaged?: boolean;
}

/** Copies every object of one Region's vault to the other's, with tags and lock. */
export class Replication extends Construct {
  readonly role: iam.Role;
  readonly rule: s3.ReplicationRule;

  constructor(scope: Construct, id: string, props: ReplicationProps) {
    super(scope, id);
    const { plan, names } = props.deployment;
    const source = `arn:aws:s3:::${names.vaultBucket(props.side.region)}`;
    const destinationName = names.vaultBucket(props.side.peerRegion);
    const destination = s3.Bucket.fromBucketName(this, 'Destination', destinationName);
    this.role = new iam.Role(this, 'Role', {
      roleName: `${names.prefix}-replication-${props.side.region}`,
      description: `Copies the vault in ${props.side.region} to ${props.side.peerRegion}`,
      assumedBy: new iam.ServicePrincipal('s3.amazonaws.com'),
    });
    for (const statement of copyStatements(source, `arn:aws:s3:::${destinationName}`)) {
      this.role.addToPolicy(statement);
    }
    this.#allowKeys(props, source, `arn:aws:s3:::${destinationName}`);
    this.rule = {
      id: 'copy-everything',
      destination,
      priority: 1,
      // Deletes never travel: whoever hides an object in one Region hides nothing in the other.
      deleteMarkerReplication: false,
      replicaModifications: false,
      sseKmsEncryptedObjects: true,
      kmsKey: props.destinationKey,
      metrics: s3.ReplicationTimeValue.FIFTEEN_MINUTES,
      ...(plan.vault.replicationTimeControl && {
        replicationTimeControl: s3.ReplicationTimeValue.FIFTEEN_MINUTES,
      }),
    };
    acknowledgeObjectWildcards(this.role, [source, `arn:aws:s3:::${destinationName}`]);
  }

  /** With S3 Bucket Keys the encryption context is the bucket, not the object. */
  #allowKeys(props: ReplicationProps, source: string, destination: string): void {
    const through = (region: string, bucketArn: string) => ({
      StringEquals: {
        'kms:ViaService': `s3.${region}.amazonaws.com`,
        'kms:EncryptionContext:aws:s3:arn': bucketArn,
      },
    });
    this.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [props.sourceKey.keyArn],
        conditions: through(props.side.region, source),
      }),
    );
    if (props.destinationKeyIsManaged !== true) {
      this.role.addToPolicy(
        new iam.PolicyStatement({
          actions: ['kms:Encrypt', 'kms:GenerateDataKey'],
          resources: [props.destinationKey.keyArn],
          conditions: through(props.side.peerRegion, destination),
        }),
      );
    }
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
