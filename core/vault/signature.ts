import { createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import canonicalize from 'canonicalize';
import { HoldfastError } from '../errors.ts';
import type { ManifestSignature } from './keys.ts';
import type { Manifest, UnsignedManifest } from './manifest.ts';

/** The bytes that a manifest's signature covers: RFC 8785 JSON of everything but `signature`. */
export function signedBytes(manifest: UnsignedManifest | Manifest): Buffer {
  const { signature: _, ...unsigned } = manifest as Manifest;
  const text = canonicalize(unsigned);
  if (text === undefined) throw new HoldfastError('INTERNAL', 'a manifest has no canonical form');
  return Buffer.from(text, 'utf8');
}

export function signWithHmac(manifest: UnsignedManifest, key: Uint8Array, keyId: string): ManifestSignature {
  const value = createHmac('sha256', key).update(signedBytes(manifest)).digest('base64');
  return { algorithm: 'HMAC_SHA_256', keyId, value };
}

export function verifyHmac(manifest: Manifest, key: Uint8Array): boolean {
  if (manifest.signature.algorithm !== 'HMAC_SHA_256') return false;
  const expected = createHmac('sha256', key).update(signedBytes(manifest)).digest();
  const given = Buffer.from(manifest.signature.value, 'base64');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Needs no service: the public key was pinned beside the plan. */
export function verifyEcdsa(manifest: Manifest, publicKey: KeyObject): boolean {
  if (manifest.signature.algorithm !== 'ECDSA_SHA_256') return false;
  const signature = Buffer.from(manifest.signature.value, 'base64');
  return verify('sha256', signedBytes(manifest), publicKey, signature);
}

/** Reads a PEM public key of the given type. @throws SETTING_INVALID */
export function readPublicKey(pem: string, type: 'ec' | 'rsa', what: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === type) return key;
    throw new Error(`it is a key of type ${key.asymmetricKeyType ?? 'unknown'}`);
  } catch (error) {
    throw new HoldfastError('SETTING_INVALID', `${what} is not a PEM public key of type ${type}`, {
      cause: error,
    });
  }
}
