import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { createKeyFile } from '../../core/vault/key-file.ts';
import { recoveryPointIdSchema, sourceIdSchema } from '../../core/vault/manifest.ts';
import type { ObjectStore } from '../../core/vault/object-store.ts';
import type { Vault } from '../../core/vault/vault.ts';

export interface VaultOptions {
  readonly vault: string;
  readonly keyFile?: string;
}

export interface OpenOptions {
  /** Only a backup makes a key, and only for a vault that is still empty. */
  readonly mayCreateKey: boolean;
  readonly warn: (message: string) => void;
}

/** Opens the vault of a local command with its key file. @throws USAGE, KEY_FILE_INVALID */
export async function openLocalVault(
  options: VaultOptions,
  { mayCreateKey, warn }: OpenOptions,
): Promise<Vault> {
  const { openObjectStore, openVault, parseVaultUrl } = await import('../../core/vault/open-vault.ts');
  const location = parseVaultUrl(options.vault);
  const keyFile = path.resolve(options.keyFile ?? defaultKeyFile(process.env));
  if (location.kind === 'directory') {
    refuseKeyInside(location.path, keyFile);
    if (mayCreateKey && (await makeVaultFolder(location.path)))
      warn(`made the folder ${location.path} for a new vault`);
  }
  const store = await openObjectStore({ url: options.vault });
  if (!fs.existsSync(keyFile)) await makeKey({ keyFile, store, mayCreateKey, warn });
  return openVault({ url: options.vault, keys: { kind: 'key-file', path: keyFile } });
}

/**
 * One key per person, away from the vault: a disk that is lost or stolen with the backups must not carry their key, and
 * a vault that moves to another place keeps its key.
 */
export function defaultKeyFile(environment: NodeJS.ProcessEnv): string {
  const config = environment['XDG_CONFIG_HOME'] || path.join(os.homedir(), '.config');
  return path.join(config, 'holdfast/vault.key');
}

function refuseKeyInside(folder: string, keyFile: string): void {
  const inside = path.relative(
    realFolder(folder),
    path.join(realFolder(path.dirname(keyFile)), path.basename(keyFile)),
  );
  if (inside.startsWith('..') || path.isAbsolute(inside)) return;
  throw new HoldfastError(
    'USAGE',
    `the key file ${keyFile} lies inside the vault; whoever gets the backups would get the key`,
    {
      hint: 'name a place outside the vault with --key-file',
    },
  );
}

/** @returns whether it was made. @throws VAULT_ACCESS_DENIED, VAULT_NOT_FOUND, VAULT_FULL */
async function makeVaultFolder(folder: string): Promise<boolean> {
  const { makeFolders, toVaultError } = await import('../../core/vault/directory-files.ts');
  try {
    return (await makeFolders(folder)) !== undefined;
  } catch (error) {
    throw toVaultError(error, `make the folder ${folder} for a vault`);
  }
}

/** Follows links as far as the path exists. */
function realFolder(folder: string): string {
  if (fs.existsSync(folder)) return fs.realpathSync(folder);
  const parent = path.dirname(folder);
  return parent === folder ? folder : path.join(realFolder(parent), path.basename(folder));
}

async function makeKey(
  options: OpenOptions & { readonly keyFile: string; readonly store: ObjectStore },
): Promise<void> {
  const { keyFile, store } = options;
  const hint = 'bring back the key file from where you keep it, and name it with --key-file';
  const { vaultKeyIdOf } = await import('../../core/vault/vault-key.ts');
  const bound = await vaultKeyIdOf(store);
  if (bound !== undefined) {
    const needed = `the vault ${store.url} belongs to the key ${bound}: a new key could not read it`;
    throw new HoldfastError('KEY_FILE_INVALID', `there is no key file ${keyFile}, and ${needed}`, { hint });
  }
  if (!options.mayCreateKey)
    throw new HoldfastError('KEY_FILE_INVALID', `there is no key file ${keyFile}`, { hint });
  if (await createKeyFile(keyFile)) {
    options.warn(
      `made the key file ${keyFile}; without it nobody can restore: keep a copy away from this host and from the vault`,
    );
  }
}

/** @throws RECOVERY_POINT_NOT_FOUND for what cannot be an id */
export function requirePointId(id: string, lister = 'holdfast recovery-points'): string {
  if (id === 'latest' || recoveryPointIdSchema.safeParse(id).success) return id;
  const message = `there is no recovery point ${JSON.stringify(id)}; allowed are latest and the 26 letters and digits of an id`;
  throw new HoldfastError('RECOVERY_POINT_NOT_FOUND', message, { hint: `${lister} shows the ids` });
}

/** The source that was named, else the only one of the vault. @throws USAGE, RECOVERY_POINT_NOT_FOUND for an empty vault */
export async function sourceIn(vault: Vault, named: string | undefined): Promise<string> {
  if (named !== undefined) return requireSource(named);
  const [first, ...more] = await vault.listSources();
  if (first === undefined) {
    throw new HoldfastError('RECOVERY_POINT_NOT_FOUND', `${vault.url} holds no recovery point`, {
      hint: 'is it the right vault? holdfast local backup makes the first one',
    });
  }
  if (more.length === 0) return first;
  throw new HoldfastError('USAGE', `--source is missing; the vault has ${[first, ...more].join(', ')}`, {
    hint: 'name one of them with --source',
  });
}

/** @throws USAGE */
export function requireSource(source: string): string {
  if (sourceIdSchema.safeParse(source).success) return source;
  throw new HoldfastError(
    'USAGE',
    `--source is ${JSON.stringify(source)}; allowed are 2 to 63 of a-z, 0-9 and -, starting with a letter`,
  );
}
