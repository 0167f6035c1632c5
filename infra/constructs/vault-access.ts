import type { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { sourcePrefix } from '../../core/vault/layout.ts';
import type { Deployment } from '../deployment.ts';
import { usesManagedServerSideKey } from '../server-side-encryption.ts';
import { acknowledge } from './acknowledgements.ts';
import type { Grantee } from './grantee.ts';
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
   * To make recovery points of one source: create objects with tag and lock, clean up own uploads, read manifests back
   * (chain, lost replies) and facts of objects. Nothing is deleted, and nothing stored is decrypted: the vault key only hands
   * out new data keys for this source, and decrypts for S3 alone, which needs that to put an upload's parts together.
   */
  grantWrite(grantee: Grantee, source: string): void {
    const objects = this.#objectsOf(source);
    this.#allow(grantee, ['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectTagging'], objects);
    this.#allow(grantee, ['s3:AbortMultipartUpload', 's3:ListMultipartUploadParts'], objects);
    this.#allow(grantee, ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'], objects);
    this.#grantList(grantee, ['s3:ListBucketMultipartUploads']);
    this.#grantDataKeys(grantee, ['kms:GenerateDataKey', 'kms:GenerateDataKeyWithoutPlaintext'], source);
    this.#allow(grantee, ['kms:Sign', 'kms:Verify', 'kms:GetPublicKey'], [this.#keyArn('signing')]);
    const newObjects = usesManagedServerSideKey(this.#props.deployment) ? [] : ['kms:GenerateDataKey'];
    this.#grantServerSide(grantee, ['kms:Decrypt', ...newObjects]);
    this.#acknowledgeObjects(grantee, objects);
  }

  /** To restore one source: read and decrypt any version, check signatures, thaw nothing. */
  grantRead(grantee: Grantee, source: string): void {
    const objects = this.#objectsOf(source);
    this.#allow(grantee, ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'], objects);
    this.#grantList(grantee, []);
    this.#grantDataKeys(grantee, ['kms:Decrypt'], source);
    this.#allow(grantee, ['kms:Verify', 'kms:GetPublicKey'], [this.#keyArn('signing')]);
    this.#grantServerSide(grantee, ['kms:Decrypt']);
    this.#acknowledgeObjects(grantee, objects);
  }

  /** To look at manifests and at the facts of objects (size, checksum, lock) of every source, without the key that decrypts them. */
  grantInspect(grantee: Grantee): void {
    const objects = this.#props.deployment.plan.sources.flatMap(({ id }) => this.#objectsOf(id));
    this.#allow(grantee, ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention'], objects);
    this.#grantList(grantee, []);
    this.#allow(grantee, ['kms:Verify', 'kms:GetPublicKey'], [this.#keyArn('signing')]);
    this.#grantServerSide(grantee, ['kms:Decrypt']);
    this.#acknowledgeObjects(grantee, objects);
  }

  #allow(grantee: Grantee, actions: readonly string[], resources: readonly string[]): void {
    grantee.addToPolicy(new iam.PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }

  #allowVaultKey(grantee: Grantee, actions: readonly string[], conditions: Record<string, unknown>): void {
    grantee.addToPolicy(
      new iam.PolicyStatement({ actions: [...actions], resources: [this.#keyArn('vault')], conditions }),
    );
  }

  #objectsOf(source: string): string[] {
    return [`${this.#bucketArn}/${sourcePrefix(source)}*`];
  }

  /** Of the whole bucket: under a condition on the prefix S3 answers 403 instead of 404 for an object that is not there. */
  #grantList(grantee: Grantee, more: readonly string[]): void {
    this.#allow(grantee, ['s3:ListBucket', 's3:ListBucketVersions', ...more], [this.#bucketArn]);
  }

  /** Every item is encrypted with its source in the encryption context, so KMS too can tell the sources apart. */
  #grantDataKeys(grantee: Grantee, actions: readonly string[], source: string): void {
    this.#allowVaultKey(grantee, actions, {
      StringEquals: { 'kms:EncryptionContext:source': source },
    });
  }

  /**
   * S3 uses the key of an object's second layer with the caller's right. Objects keep the layer that they were stored under: a
   * plan that gets a break-glass key later has points of both kinds, so reading through the vault key is always granted.
   */
  #grantServerSide(grantee: Grantee, actions: readonly string[]): void {
    this.#allowVaultKey(grantee, actions, {
      StringEquals: { 'kms:ViaService': `s3.${this.#props.region}.amazonaws.com` },
      // The object's name stands there when an object has no bucket key.
      StringLike: { 'kms:EncryptionContext:aws:s3:arn': [this.#bucketArn, `${this.#bucketArn}/*`] },
    });
  }

  #keyArn(which: keyof VaultKeys): string {
    const { deployment, region, keys } = this.#props;
    return `arn:aws:kms:${region}:${deployment.plan.account}:key/${keys[which].keyId}`;
  }

  #acknowledgeObjects(grantee: Grantee, resources: readonly string[]): void {
    for (const resource of resources) {
      acknowledge(
        grantee,
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
