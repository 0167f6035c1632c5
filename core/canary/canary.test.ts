import { describe, expect, it } from 'vitest';
import { canaryKey, signCanary, verifyCanary } from './canary.ts';

describe('a canary', () => {
  const key = canaryKey(Buffer.alloc(32, 1));
  const row = { seq: 7, writtenAt: new Date('2026-01-31T12:00:00.123Z') };
  const signature = signCanary(key, row);

  it('is signed over number and time as the design page says', () => {
    // openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01, of `holdfast-canary-v1|7|2026-01-31T12:00:00.123Z`
    expect(signature).toBe(`${key.id}.b81876a020fb99ac7808d7abecd6721dfb7fd893fdb50c76274169b10182c2a1`);
    expect(verifyCanary(key, { ...row, signature })).toBe('valid');
  });

  it('is invalid when anything about it changed, and unknown under another key', () => {
    const invalid = [
      { ...row, seq: 8, signature },
      { ...row, writtenAt: new Date('2026-01-31T12:00:00.124Z'), signature },
      { ...row, signature: `${signature.slice(0, -1)}${signature.endsWith('0') ? '1' : '0'}` },
      { ...row, signature: 'x' },
      { ...row, signature: `${signature} ` },
    ];
    expect(invalid.map((canary) => verifyCanary(key, canary))).toEqual(invalid.map(() => 'invalid'));
    expect(verifyCanary(canaryKey(Buffer.alloc(32, 2)), { ...row, signature })).toBe('unknownKey');
  });

  it('takes no key that can be guessed', () => {
    expect(() => canaryKey(Buffer.alloc(15))).toThrow(RangeError);
    expect(canaryKey(Buffer.alloc(16)).id).toMatch(/^[0-9a-f]{16}$/);
  });
});
