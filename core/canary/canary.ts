import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';

/**
 * A canary (contract, design section 6): a heartbeat row in a source whose time somebody outside the database signed. The
 * newest one in restored data tells how far that data reaches, and whoever can write the table cannot make it look newer.
 */
export interface Canary {
  /** From 1, one more with each row. */
  readonly seq: number;
  /** Of the writer's clock, in milliseconds. */
  readonly writtenAt: Date;
  /** See {@link signCanary}. */
  readonly signature: string;
}

/** Held by the writer and by whoever checks, never by the database. */
export interface CanaryKey {
  /** Public name of the key: 16 hexadecimal digits of its hash. A row of another key is unknown, not false. */
  readonly id: string;
  readonly secret: Uint8Array;
}

/** @throws RangeError for fewer than 16 bytes: such a key can be guessed */
export function canaryKey(secret: Uint8Array): CanaryKey {
  if (secret.length < 16)
    throw new RangeError(`a canary key has ${secret.length} bytes; allowed are 16 or more`);
  const id = createHash('sha256').update('holdfast-canary-key-v1|').update(secret).digest('hex').slice(0, 16);
  return { id, secret };
}

/** `<key id>.<hex HMAC-SHA-256 of "holdfast-canary-v1|<seq>|<written_at>">`, the time as `2026-01-31T12:00:00.000Z`. */
export function signCanary(key: CanaryKey, { seq, writtenAt }: Omit<Canary, 'signature'>): string {
  const text = `holdfast-canary-v1|${seq}|${writtenAt.toISOString()}`;
  return `${key.id}.${createHmac('sha256', key.secret).update(text).digest('hex')}`;
}

/** `unknownKey`: signed with a key that is not the one given, so nothing can be said. */
export type CanaryVerdict = 'valid' | 'invalid' | 'unknownKey';

export function verifyCanary(key: CanaryKey, canary: Canary): CanaryVerdict {
  const form = /^([0-9a-f]{16})\.[0-9a-f]{64}$/.exec(canary.signature);
  if (form === null) return 'invalid';
  if (form[1] !== key.id) return 'unknownKey';
  const [expected, given] = [Buffer.from(signCanary(key, canary)), Buffer.from(canary.signature)];
  return timingSafeEqual(expected, given) ? 'valid' : 'invalid';
}

/** As a manifest records the newest canary of its snapshot. Whatever else stands there is of a later version. */
export const recordedCanarySchema = z.looseObject({
  seq: z.number(),
  writtenAt: z.iso.datetime(),
  /** Where the table is. */
  schema: z.string().default('holdfast'),
});
