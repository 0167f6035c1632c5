import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertNever, HoldfastError } from '../errors.ts';
import { createKeyFile, readKeyFile } from './key-file.ts';
import type { VaultKeys } from './keys.ts';
import type { ObjectStore } from './object-store.ts';
import { defaultSegmentBytes } from './pipeline.ts';
import { StoredVault } from './stored-vault.ts';
import type { Vault } from './vault.ts';

export type VaultKeyOptions = KeyFileOptions | KmsKeyOptions | BreakGlassKeyOptions | PublicKeyOptions;

export interface KeyFileOptions {
  readonly kind: 'key-file';
  readonly path: string;
  /** Make the file when it is missing: for backups; a restore with a new key could read nothing. @default false */
  readonly create?: boolean;
}

export interface KmsKeyOptions {
  readonly kind: 'kms';
  /** Symmetric multi-Region key, by the ARN of this Region. */
  readonly keyArn: string;
  /** Asymmetric multi-Region key (ECC_NIST_P256), by the ARN of this Region; needed to write. */
  readonly signingKeyArn?: string;
  /** PEM, pinned beside the plan. Without it KMS is asked for it, and nothing can be verified offline. */
  readonly signingPublicKey?: string;
  /** PEM of an RSA key whose private half is kept offline: wraps every data key a second time. */
  readonly breakGlassPublicKey?: string;
}

/** Reads a KMS vault without KMS, with the private key that was kept offline. Cannot write. */
export interface BreakGlassKeyOptions {
  readonly kind: 'break-glass';
  /** PEM of the RSA private key. */
  readonly privateKey: string;
  readonly passphrase?: string;
  /** PEM of the signing key. */
  readonly signingPublicKey: string;
}

/** Can only list and check: signatures, chain, objects. Calls no key service. */
export interface PublicKeyOptions {
  readonly kind: 'public-key';
  /** PEM of the signing key, pinned by whoever checks; never taken from the vault. */
  readonly signingPublicKey: string;
}

export interface OpenVaultOptions {
  /** A folder, `file:///…`, or `s3://bucket/prefix`. */
  readonly url: string;
  readonly keys: VaultKeyOptions;
  /** How long a vault or key service that does not answer is tried again. @default 90 */
  readonly retrySeconds?: number;
  /** An item rolls over to a further object at this size. @default 64 GiB */
  readonly segmentBytes?: number;
  /** Region of the bucket. @default from the SDK's environment, else the bucket is asked */
  readonly region?: string;
}

/**
 * Opens a vault. Nothing is asked of the store yet, so a wrong bucket shows at the first call. Adapters are loaded on
 * demand: a directory vault does not wait for S3's.
 * @throws USAGE, KEY_FILE_INVALID, SETTING_INVALID
 */
export async function openVault(options: OpenVaultOptions): Promise<Vault> {
  const [store, keys] = await Promise.all([openObjectStore(options), openKeys(options)]);
  return new StoredVault({ store, keys, segmentBytes: options.segmentBytes ?? defaultSegmentBytes });
}

export type VaultLocation =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

/** Reads a folder, `file:///…` or `s3://bucket/prefix`. @throws USAGE */
export function parseVaultUrl(url: string): VaultLocation {
  if (url.startsWith('file:')) return { kind: 'directory', path: filePath(url) };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1];
  if (scheme === undefined && url !== '') return { kind: 'directory', path: path.resolve(url) };
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url);
  if (match === null) {
    throw new HoldfastError(
      'USAGE',
      `vault ${JSON.stringify(url)} is not known; allowed are a folder, file:///path and s3://bucket/prefix`,
    );
  }
  const elements = (match[2] ?? '').split('/').filter((element) => element !== '');
  return { kind: 's3', bucket: match[1] ?? '', prefix: elements.map((element) => `${element}/`).join('') };
}

/** The store of a vault, for whoever needs objects rather than recovery points (replica checks). */
export async function openObjectStore(
  options: Pick<OpenVaultOptions, 'url' | 'retrySeconds' | 'region'>,
): Promise<ObjectStore> {
  const location = parseVaultUrl(options.url);
  if (location.kind === 'directory') {
    const { DirectoryObjectStore } = await import('./object-store.directory.ts');
    return new DirectoryObjectStore(location.path);
  }
  const { S3ObjectStore } = await import('./object-store.s3.ts');
  const { bucket, prefix } = location;
  return new S3ObjectStore({ bucket, prefix, region: options.region, retrySeconds: options.retrySeconds });
}

async function openKeys(options: OpenVaultOptions): Promise<VaultKeys> {
  const { keys } = options;
  switch (keys.kind) {
    case 'key-file': {
      if (keys.create === true) await createKeyFile(keys.path);
      const derived = await readKeyFile(keys.path);
      const { keyFileKeys } = await import('./keys.key-file.aws.ts');
      return keyFileKeys(derived);
    }
    case 'kms': {
      const { kmsKeys } = await import('./keys.kms.ts');
      const retry = options.retrySeconds === undefined ? {} : { retrySeconds: options.retrySeconds };
      return kmsKeys({ ...keys, ...retry });
    }
    case 'break-glass': {
      const { breakGlassKeys } = await import('./break-glass.aws.ts');
      return breakGlassKeys(keys);
    }
    case 'public-key': {
      const { publicKeyKeys } = await import('./keys.public-key.ts');
      return publicKeyKeys(keys.signingPublicKey);
    }
    default:
      return assertNever(keys);
  }
}

function filePath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new HoldfastError(
      'USAGE',
      `vault ${JSON.stringify(url)} is not a file URL; allowed is file:///path`,
      {
        cause: error,
      },
    );
  }
}
