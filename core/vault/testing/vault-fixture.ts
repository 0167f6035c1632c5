import { decompressStream } from '../compress.ts';
import type { LockMode, Manifest } from '../manifest.ts';
import type { RecoveryPointReader, Vault, VerifyReport } from '../vault.ts';
import { facts, gather, itemOf, noise } from './streams.ts';

/** A vault that can be attacked: `read`, `replace` and `remove` work on stored objects behind its back. */
export interface VaultUnderTest {
  readonly vault: Vault;
  /** The same vault, cutting items into objects of 1 MiB. */
  readonly segmented: Vault;
  /** The same vault seen with other keys. */
  readonly withWrongKey: Vault;
  /** What those keys are told: a vault with a key file knows whose it is. */
  readonly wrongKeyCode: 'KEY_MISMATCH' | 'MANIFEST_SIGNATURE';
  /** Gives the room of an aborted point back. */
  readonly discards: boolean;
  keys(prefix: string): Promise<string[]>;
  read(key: string): Promise<Buffer>;
  /** Destroys what was there, versions too. */
  replace(key: string, bytes: Buffer): Promise<void>;
  remove(key: string): Promise<void>;
  stop(): Promise<void>;
}

export const small = Buffer.from('some rows\n'.repeat(1000));
export const large = noise(3 << 20, 9);

/** Fills one recovery point with three items. */
export async function backUp(
  vault: Vault,
  source: string,
  options: { lockUntil?: Date; lockMode?: LockMode } = {},
): Promise<Manifest> {
  const writer = await vault.begin(source, options);
  await Promise.all([
    writer.store(itemOf('public.small', small)),
    writer.store(itemOf('public.large', large)),
    writer.store(itemOf('"odd/näme"', Buffer.from('x'))),
  ]);
  return writer.commit(facts);
}

/** Decrypted and decompressed. */
export async function contentOf(reader: RecoveryPointReader, name: string): Promise<Buffer> {
  return gather(decompressStream(await reader.read(name), 'zst'));
}

/** What a report found, without its prose. */
export const found = (report: VerifyReport) =>
  report.problems.map(({ key, code, recoverable }) => ({ key, code, recoverable }));
