import type { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Deployment } from '../deployment.ts';
import { usesManagedServerSideKey } from '../server-side-encryption.ts';
import { acknowledge } from './acknowledgements.ts';
import type { VaultKeys } from './vault-keys.ts';

export interface VaultAccessProps {
  readonly deployment: Deployment;
  /** The Region of this vault. */
  readonly region: string;
  /** Keys as the stack's own Region knows them; a multi-Region key has the same id everywhere. */
  readonly keys: VaultKeys;
}

/** The vault of a Region as its users see it: who may do what is decided here and nowhere else. */
export class VaultAccess {
  readonly bucketName: string;
  readonly url: string;
  readonly #props: VaultAccessProps;
  readonly #bucketArn: string;

  constructor(props: VaultAccessProps) {
    this.#props = props;
    this.bucketName = props.deployment.names.vaultBucket(props.region);
    this.url = `s3://${this.bucketName}`;
    this.#bucketArn = `arn:aws:s3:::${this.bucketName}`;
  }

  /**
   * To make recovery points of the plan's sources: create objects with tag and lock, clean up own uploads, read manifests
   * back (chain, lost replies) and facts of objects. Nothing is deleted, and nothing stored is decrypted: the vault key
   * only hands out new data keys, and decrypts for S3 alone, which needs that to put an upload's parts together.
   */
  grantWrite(role: iam.Role): void {
    const objects = this.#sourceObjects('*');
    this.#allow(role, ['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectTagging'], objects);
    this.#allow(role, ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'], objects);
    this.#allow(role, ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'], objects);
    this.#grantList(role, ['s3:ListBucketMultipartUploads']);
    this.#allow(
      role,
      ['kms:GenerateDataKey', 'kms:GenerateDataKeyWithoutPlaintext'],
      [this.#keyArn('vault')],
    );
    this.#allow(role, ['kms:Sign', 'kms:Verify', 'kms:GetPublicKey'], [this.#keyArn('signing')]);
    this.#grantServerSideDecrypt(role);
    this.#acknowledgeObjects(role, objects);
  }

  /** To restore: read and decrypt any version, check signatures, thaw nothing. */
  grantRead(role: iam.Role): void {
    const objects = this.#sourceObjects('*');
    this.#allow(role, ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'], objects);
    this.#grantList(role, []);
    this.#allow(role, ['kms:Decrypt'], [this.#keyArn('vault')]);
    this.#allow(role, ['kms:Verify', 'kms:GetPublicKey'], [this.#keyArn('signing')]);
    this.#acknowledgeObjects(role, objects);
  }

  /** To look at manifests and at the facts of objects (size, checksum, lock), without the key that decrypts them. */
  grantInspect(role: iam.Role): void {
    const objects = this.#sourceObjects('*');
    this.#allow(role, ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'], objects);
    this.#grantList(role, []);
    this.#allow(role, ['kms:Verify', 'kms:GetPublicKey'], [this.#keyArn('signing')]);
    this.#grantServerSideDecrypt(role);
    this.#acknowledgeObjects(role, objects);
  }

  #allow(role: iam.Role, actions: readonly string[], resources: readonly string[]): void {
    role.addToPolicy(new iam.PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }

  /** `v1/<source>/…`, spelt out for each source of the plan. */
  #sourceObjects(below: string): string[] {
    return this.#props.deployment.plan.sources.map(({ id }) => `${this.#bucketArn}/v1/${id}/${below}`);
  }

  #grantList(role: iam.Role, more: readonly string[]): void {
    this.#allow(role, ['s3:ListBucket', 's3:ListBucketVersions', ...more], [this.#bucketArn]);
  }

  /** Reading an object's checksum, or completing an upload, makes S3 decrypt with the caller's right. */
  #grantServerSideDecrypt(role: iam.Role): void {
    if (usesManagedServerSideKey(this.#props.deployment)) return;
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [this.#keyArn('vault')],
        conditions: {
          StringEquals: {
            'kms:ViaService': `s3.${this.#props.region}.amazonaws.com`,
            'kms:EncryptionContext:aws:s3:arn': this.#bucketArn,
          },
        },
      }),
    );
  }

  #keyArn(which: keyof VaultKeys): string {
    const { deployment, region, keys } = this.#props;
    return `arn:aws:kms:${region}:${deployment.plan.account}:key/${keys[which].keyId}`;
  }

  #acknowledgeObjects(role: iam.Role, resources: readonly string[]): void {
    for (const resource of resources) {
      acknowledge(
        role,
        `AwsSolutions-IAM5[Resource::${resource}]`,
        'Recovery points have ids that are made when a job runs; the folder of the source is the narrowest scope.',
      );
    }
  }
}

/** ARN of a key as a Region of the deployment names it. */
export function localKeyArn(stack: Stack, keys: VaultKeys, which: keyof VaultKeys): string {
  return stack.formatArn({ service: 'kms', resource: 'key', resourceName: keys[which].keyId });
}
