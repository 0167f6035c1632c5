import { type OpenVaultOptions, openObjectStore, openVault } from '../vault/open-vault.ts';
import type { ObjectStore } from '../vault/object-store.ts';
import type { Vault } from '../vault/vault.ts';
import type { ClaimJobSettings } from './settings.ts';

type VaultSettings = Pick<
  ClaimJobSettings,
  | 'HOLDFAST_REGION'
  | 'HOLDFAST_PEER_REGION'
  | 'HOLDFAST_VAULT_URL'
  | 'HOLDFAST_PEER_VAULT_URL'
  | 'HOLDFAST_VAULT_KEY_ARN'
  | 'HOLDFAST_SIGNING_KEY_ARN'
  | 'HOLDFAST_SIGNING_PUBLIC_KEY'
  | 'HOLDFAST_BREAK_GLASS_PUBLIC_KEY'
>;

export interface DeploymentVaultOptions {
  /** How long a store that does not answer is tried again. @default the vault's own, which outlasts a network gone for 30 s */
  readonly retrySeconds?: number;
}

/** This Region's vault, as a process's settings name it. */
export function openOwnVault(settings: VaultSettings, options: DeploymentVaultOptions = {}): Promise<Vault> {
  return openVault({
    url: settings.HOLDFAST_VAULT_URL,
    region: settings.HOLDFAST_REGION,
    keys: keysOf(settings),
    ...options,
  });
}

/** The objects of the other Region's vault, for copy checks. */
export function openPeerStore(
  settings: VaultSettings,
  options: DeploymentVaultOptions = {},
): Promise<ObjectStore> {
  return openObjectStore({
    url: settings.HOLDFAST_PEER_VAULT_URL,
    region: settings.HOLDFAST_PEER_REGION,
    ...options,
  });
}

function keysOf(settings: VaultSettings): OpenVaultOptions['keys'] {
  const {
    HOLDFAST_SIGNING_PUBLIC_KEY: signingPublicKey,
    HOLDFAST_BREAK_GLASS_PUBLIC_KEY: breakGlassPublicKey,
  } = settings;
  return {
    kind: 'kms',
    keyArn: settings.HOLDFAST_VAULT_KEY_ARN,
    signingKeyArn: settings.HOLDFAST_SIGNING_KEY_ARN,
    ...(signingPublicKey !== undefined && { signingPublicKey }),
    ...(breakGlassPublicKey !== undefined && { breakGlassPublicKey }),
  };
}
