import { describe, expect, it } from 'vitest';
import { Crc64Combiner, createCrc64, encodeCrc64 } from './crc64.ts';
import { noise } from './testing/streams.ts';

const crcOf = async (bytes: Uint8Array) => {
  const crc64 = await createCrc64();
  crc64.update(bytes);
  return crc64.digest();
};

describe('CRC-64/NVME', () => {
  it('has the check value of its definition', async () => {
    expect(await crcOf(Buffer.from('123456789'))).toBe(0xae8b14860a799888n);
    expect(encodeCrc64(0xae8b14860a799888n)).toBe('rosUhgp5mIg=');
    expect(await crcOf(new Uint8Array())).toBe(0n);
  });

  it('begins again after a reset', async () => {
    const crc64 = await createCrc64();
    crc64.update(Buffer.from('something else'));
    crc64.digest();
    crc64.reset();
    crc64.update(Buffer.from('123456789'));
    expect(crc64.digest()).toBe(0xae8b14860a799888n);
  });

  it('puts the CRCs of parts together into that of the whole, wherever they are cut', async () => {
    const bytes = noise(300_000);
    const whole = await crcOf(bytes);
    for (const cuts of [[0], [1], [299_999], [100_000, 200_000], [7, 7, 65_536], [300_000]]) {
      const combiner = new Crc64Combiner();
      let from = 0;
      for (const to of [...cuts, bytes.length]) {
        combiner.append(await crcOf(bytes.subarray(from, to)), to - from);
        from = to;
      }
      expect(combiner.digest()).toBe(whole);
    }
  });
});
