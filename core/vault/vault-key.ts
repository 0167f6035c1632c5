import * as z from 'zod';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import type { VaultKeys } from './keys.ts';
import { folderName, layoutRoot, manifestKey } from './layout.ts';
import { parseEnvelope, readWhole, versionsOf } from './manifest-store.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * Names the key file that a vault belongs to. Written once, just before the vault's first manifest; holds no secret. In a
 * folder of its own, so that a directory need not be walked to find its versions.
 */
export const vaultKeyObject = 'vault/key.json';

const vaultKeySchema = z.object({ schemaVersion: z.literal(1), keyId: z.string().min(1) });

/** Where a vault is and with what it is opened. */
export interface KeyedStore {
  readonly store: ObjectStore;
  readonly keys: VaultKeys;
}

/**
 * The key id that a vault is bound to: as its first writer recorded it, or, in a vault that is older than this record, as the
 * oldest manifest says. `undefined` for a vault that holds nothing yet. In a bucket the earliest version counts: a later one
 * can be put there by whoever may write, so it must not shut out the right key.
 * @throws MANIFEST_INVALID when the record was damaged
 */
export async function vaultKeyIdOf(store: ObjectStore): Promise<string | undefined> {
  const versions = await versionsOf(store, vaultKeyObject);
  const first = versions.findLast((version) => !version.isDeleteMarker);
  if (first === undefined) return oldestManifestsKey(store);
  const text = (await readWhole(store, vaultKeyObject, first.versionId)).toString('utf8');
  const parsed = vaultKeySchema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data.keyId;
  throw new HoldfastError('MANIFEST_INVALID', `${vaultKeyObject} of ${store.url} names no key`, {
    hint: 'delete it: the next backup reads the key of the oldest recovery point and writes it again',
  });
}

/**
 * Refuses keys that are not the vault's: two keys in one vault would leave points that neither of them can check.
 * Does nothing where a key service names its own keys.
 * @throws KEY_MISMATCH with both ids
 */
export async function requireVaultKey({ store, keys }: KeyedStore): Promise<void> {
  if (keys.id === undefined) return;
  const bound = await vaultKeyIdOf(store);
  if (bound === undefined || bound === keys.id) return;
  throw new HoldfastError(
    'KEY_MISMATCH',
    `${store.url} belongs to the key ${bound}; the key file that was given holds the key ${keys.id}`,
    {
      hint: `name the file that holds the key ${bound} with --key-file; a vault in another place may have another key`,
    },
  );
}

/**
 * Binds a vault to its key; safe to call again. Whatever the record says afterwards counts, for another writer may have been
 * first a moment or hours ago. @throws KEY_MISMATCH then
 */
export async function bindVaultKey(place: KeyedStore): Promise<void> {
  const { store, keys } = place;
  if (keys.id === undefined) return;
  if ((await store.head({ key: vaultKeyObject })) === undefined) await recordKey(store, keys.id);
  await requireVaultKey(place);
}

async function recordKey(store: ObjectStore, keyId: string): Promise<void> {
  const text = `${JSON.stringify({ schemaVersion: 1, keyId })}\n`;
  try {
    await store.create(vaultKeyObject, asStream(text), { kind: 'manifest' });
  } catch (error) {
    if (!isHoldfastError(error, 'OBJECT_EXISTS')) throw error;
  }
}

async function* asStream(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text, 'utf8');
}

async function oldestManifestsKey(store: ObjectStore): Promise<string | undefined> {
  for await (const source of store.listFolders(layoutRoot)) {
    for await (const point of store.listFolders(source)) {
      try {
        const key = manifestKey(folderName(source), folderName(point));
        return parseEnvelope(await readWhole(store, key), key).signature.keyId;
      } catch (error) {
        // A point that never finished, a folder that is none, or a damaged one: the next tells.
        if (!(error instanceof HoldfastError) || !saysNothing.has(error.code)) throw error;
      }
    }
  }
  return undefined;
}

const saysNothing: ReadonlySet<string> = new Set([
  'OBJECT_NOT_FOUND',
  'MANIFEST_INVALID',
  'USAGE',
  'ARCHIVED',
]);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
