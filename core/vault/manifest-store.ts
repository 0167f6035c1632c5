import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { readStored } from '../read-stored.ts';
import { sha256Hex } from './digest.ts';
import type { VaultKeys } from './keys.ts';
import { manifestKey } from './layout.ts';
import {
  byteTextFeature,
  type Manifest,
  manifestSchema,
  type RecoveryPointId,
  type UnsignedManifest,
} from './manifest.ts';
import type { ObjectStore, ObjectVersion } from './object-store.ts';

/** A manifest as it was found: the stored bytes count, they are what the chain hashes. */
export interface FoundManifest {
  readonly manifest: Manifest;
  readonly version: ObjectVersion;
  readonly sha256: string;
}

/** What a manifest may need of its reader. */
const knownFeatures: readonly string[] = [byteTextFeature];

/** A manifest is read whole; beyond this it is not one of ours. */
const largestManifestBytes = 512 * 2 ** 20;

/** Reads a small object whole. */
export async function readWhole(store: ObjectStore, key: string, versionId?: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of await store.read({ key, versionId })) {
    length += chunk.length;
    if (length > largestManifestBytes) {
      throw new HoldfastError('MANIFEST_INVALID', `${key} is larger than ${largestManifestBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The bytes to store; indented, because people read it with nothing but a pager. */
export function manifestBytes(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`, 'utf8');
}

/** Completes a manifest with its signature, in the exact form that it has after storing and reading it. */
export async function signManifest(manifest: UnsignedManifest, keys: VaultKeys): Promise<Manifest> {
  // What JSON drops or changes must not be under the signature.
  const plain = JSON.parse(JSON.stringify(manifest)) as UnsignedManifest;
  const signed = { ...plain, signature: await keys.sign(plain) };
  const checked = manifestSchema.safeParse(signed);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw new HoldfastError(
      'MANIFEST_INVALID',
      `the manifest to be written is not valid at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    );
  }
  return signed;
}

/** What the manifests of every version have: enough to tell whose one is. A later version changes neither these nor what is signed. */
const envelopeSchema = z.looseObject({
  schemaVersion: z.number().int().positive(),
  id: z.string(),
  source: z.string(),
  features: manifestSchema.shape.features,
  signature: manifestSchema.shape.signature,
});
export type ManifestEnvelope = z.infer<typeof envelopeSchema>;

/** A manifest of this version or a newer one, before anything of it is believed. @throws MANIFEST_INVALID */
export function parseEnvelope(bytes: Buffer, key: string): ManifestEnvelope {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new HoldfastError('MANIFEST_INVALID', `${key} is not JSON`, { cause: error });
  }
  return readJson(envelopeSchema, json, key);
}

/** What this version does not know of a manifest, or undefined. */
function tooNew({ schemaVersion, features = [] }: ManifestEnvelope): string | undefined {
  if (schemaVersion !== 1) return `schemaVersion ${schemaVersion}, this version reads 1`;
  const unknown = features.filter((feature) => !knownFeatures.includes(feature));
  return unknown.length === 0
    ? undefined
    : `the features ${unknown.join(', ')}, which this version does not know`;
}

function readJson<S extends z.ZodType>(schema: S, json: unknown, key: string): z.output<S> {
  try {
    return readStored(schema, json);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    throw new HoldfastError(
      'MANIFEST_INVALID',
      `${key} does not fit its schema at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    );
  }
}

export interface FindManifestOptions {
  readonly offline?: boolean;
  /** All versions of the manifest's key when the caller has listed them already. */
  readonly versions?: readonly ObjectVersion[];
}

/** What a manifest is looked for with. */
export interface ManifestPlace {
  readonly store: ObjectStore;
  readonly keys: VaultKeys;
  readonly source: string;
}

/**
 * The earliest version with a valid signature: whoever can write to the vault can add versions and delete markers, but not
 * put one before it. @throws MANIFEST_NOT_FOUND, MANIFEST_SIGNATURE, MANIFEST_INVALID, MANIFEST_TOO_NEW
 */
export async function findManifest(
  place: ManifestPlace,
  id: RecoveryPointId,
  options: FindManifestOptions = {},
): Promise<FoundManifest> {
  const key = manifestKey(place.source, id);
  const listed = options.versions ?? (await versionsOf(place.store, key));
  const versions = listed.filter((version) => version.key === key && !version.isDeleteMarker);
  let failure: HoldfastError | undefined;
  for (const version of versions.toReversed()) {
    try {
      const bytes = await readWhole(place.store, key, version.versionId);
      const envelope = parseEnvelope(bytes, key);
      const unknown = tooNew(envelope);
      const manifest =
        unknown === undefined ? readJson(manifestSchema, envelope, key) : (envelope as unknown as Manifest);
      await checkManifest(place, { manifest, id, key, offline: options.offline ?? false });
      if (unknown !== undefined) throw newerManifest(key, unknown);
      return { manifest, version, sha256: sha256Hex(bytes) };
    } catch (error) {
      if (!isOneVersionsFault(error)) throw error;
      // A bad signature says more than a version that is no manifest at all.
      if (failure?.code !== 'MANIFEST_SIGNATURE') failure = error;
    }
  }
  throw (
    failure ??
    new HoldfastError('MANIFEST_NOT_FOUND', `recovery point ${id} of ${place.source} has no manifest`, {
      hint: 'it never finished, or does not exist; list the recovery points of the source',
    })
  );
}

/** Signed with the right key, so it is no fake: whoever took another point for it would lose data without a word. */
function newerManifest(key: string, unknown: string): HoldfastError {
  return new HoldfastError('MANIFEST_TOO_NEW', `${key} has ${unknown}`, {
    hint: 'deploy or install the version of Holdfast that wrote it; an older recovery point can be named by its id',
  });
}

function isOneVersionsFault(error: unknown): error is HoldfastError {
  return (
    isHoldfastError(error, 'MANIFEST_INVALID') ||
    isHoldfastError(error, 'MANIFEST_SIGNATURE') ||
    isHoldfastError(error, 'OBJECT_NOT_FOUND')
  );
}

async function checkManifest(
  place: ManifestPlace,
  found: {
    readonly manifest: Manifest;
    readonly id: string;
    readonly key: string;
    readonly offline: boolean;
  },
): Promise<void> {
  const { manifest, key, offline } = found;
  if (!(await place.keys.verify(manifest, { offline }))) {
    throw new HoldfastError(
      'MANIFEST_SIGNATURE',
      `${key} carries no valid signature of ${place.keys.description}, it says ${manifest.signature.keyId}`,
      { hint: 'was it edited, or is this another key than the one it was written with?' },
    );
  }
  // A genuine manifest copied over another one's place.
  if (manifest.id !== found.id || manifest.source !== place.source) {
    throw new HoldfastError(
      'MANIFEST_SIGNATURE',
      `${key} is the manifest of ${manifest.source} ${manifest.id}`,
      {
        hint: 'were objects of the vault swapped or renamed?',
      },
    );
  }
}

/** All versions of one key, newest first. */
export async function versionsOf(store: ObjectStore, key: string): Promise<ObjectVersion[]> {
  const versions: ObjectVersion[] = [];
  for await (const version of store.listVersions(key)) {
    if (version.key === key) versions.push(version);
  }
  return versions;
}
