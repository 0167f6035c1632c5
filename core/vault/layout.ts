import { HoldfastError } from '../errors.ts';
import { type RecoveryPointId, recoveryPointIdSchema, sourceIdSchema } from './manifest.ts';

/** Every key of a vault begins with this; a later layout gets another. */
export const layoutRoot = 'v1/';

/** `v1/<source>/` */
export function sourcePrefix(source: string): string {
  if (!sourceIdSchema.safeParse(source).success) {
    throw new HoldfastError(
      'USAGE',
      `source ${JSON.stringify(source)} is not a name: 2 to 63 of a-z, 0-9 and -, starting with a letter`,
    );
  }
  return `${layoutRoot}${source}/`;
}

/** `v1/<source>/<id>/` */
export function recoveryPointPrefix(source: string, id: RecoveryPointId): string {
  if (!recoveryPointIdSchema.safeParse(id).success) {
    throw new HoldfastError(
      'USAGE',
      `recovery point ${JSON.stringify(id)} is not an id: 26 letters and digits`,
    );
  }
  return `${sourcePrefix(source)}${id}/`;
}

/** `v1/<source>/<id>/manifest.json` */
export function manifestKey(source: string, id: RecoveryPointId): string {
  return `${recoveryPointPrefix(source, id)}manifest.json`;
}

/** `v1/<source>/<id>/data/` */
export function dataPrefix(source: string, id: RecoveryPointId): string {
  return `${recoveryPointPrefix(source, id)}data/`;
}

/**
 * `<nnnnn>-<item>.zst.enc`. The number makes the name unique, so the item's name only has to be readable: what a file
 * system or S3 may not like becomes `_`, and it is cut to keep clear of 255 bytes. The true name is in the manifest.
 */
export function dataObjectName(ordinal: number, itemName: string, compression: 'zst' | 'gz'): string {
  const readable = itemName.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 120);
  return `${String(ordinal).padStart(5, '0')}-${readable}.${compression}.enc`;
}

/** The number of a data object's key, 0 for a key that no Holdfast wrote. */
export function dataObjectOrdinal(key: string): number {
  return Number(/\/data\/(\d{5,})-[^/]*$/.exec(key)?.[1] ?? 0);
}

/** The compression of a data object, from its key. */
export function compressionOf(key: string): 'zst' | 'gz' {
  return key.endsWith('.gz.enc') ? 'gz' : 'zst';
}

/** The last element of a folder prefix: `v1/shop/` → `shop`. */
export function folderName(prefix: string): string {
  return prefix.split('/').at(-2) ?? '';
}
