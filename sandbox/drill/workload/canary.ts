import { createHmac, timingSafeEqual } from 'node:crypto';

/** Hex HMAC-SHA-256 over `<seq>|<written_at>`; who cannot sign cannot fake a newer state of the source. */
export function signCanary(key: Buffer, seq: number, writtenAt: Date): string {
  return createHmac('sha256', key).update(`${seq}|${writtenAt.toISOString()}`).digest('hex');
}

export function isCanarySignatureValid(
  key: Buffer,
  canary: { seq: number; writtenAt: Date; signature: string },
): boolean {
  const expected = Buffer.from(signCanary(key, canary.seq, canary.writtenAt), 'hex');
  const given = Buffer.from(canary.signature, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
