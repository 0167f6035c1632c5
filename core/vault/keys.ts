import type { Readable } from 'node:stream';
import type { Manifest, UnsignedManifest } from './manifest.ts';

/** What an encrypted item says of itself; a message that says something else is refused, so objects cannot be swapped. */
export interface ItemContext {
  readonly source: string;
  readonly recoveryPoint: string;
  readonly item: string;
}

export type ManifestSignature = Manifest['signature'];

/**
 * The keys of a vault. Two kinds: a key file (`keys.key-file.aws.ts`) and KMS (`keys.kms.ts`), both writing AWS Encryption
 * SDK messages with the committing suite, so that public tools can read them. Signatures cover the canonical JSON
 * (RFC 8785) of a manifest without its `signature`.
 */
export interface VaultKeys {
  /** Public name of the one key behind, for a vault that belongs to one key file; missing where a key service names its keys. */
  readonly id?: string;
  /** For messages; no secret. */
  readonly description: string;
  /** @throws KEY_UNAVAILABLE */
  encrypt(plaintext: Readable, context: ItemContext): AsyncIterable<Uint8Array>;
  /** Hands out a frame only after its tag was checked. @throws DECRYPT_FAILED, KEY_UNAVAILABLE */
  decrypt(stored: AsyncIterable<Uint8Array>, context: ItemContext): AsyncIterable<Uint8Array>;
  /** @throws KEY_UNAVAILABLE */
  sign(manifest: UnsignedManifest): Promise<ManifestSignature>;
  /** False when the signature is not one of these keys'. With `offline` no service is called. @throws KEY_UNAVAILABLE when that needs a public key nobody pinned */
  verify(manifest: Manifest, options?: { readonly offline?: boolean }): Promise<boolean>;
}
