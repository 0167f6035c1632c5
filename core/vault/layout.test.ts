import { describe, expect, it } from 'vitest';
import {
  compressionOf,
  dataObjectName,
  dataObjectOrdinal,
  dataPrefix,
  manifestKey,
  sourcePrefix,
} from './layout.ts';

const id = '01M7YKEY6GW43F6XER3DVGWR9H';

describe('layout', () => {
  it('is the contract', () => {
    expect(manifestKey('shop-db', id)).toBe(`v1/shop-db/${id}/manifest.json`);
    expect(dataPrefix('shop-db', id) + dataObjectName(7, 'public.orders', 'zst')).toBe(
      `v1/shop-db/${id}/data/00007-public.orders.zst.enc`,
    );
  });

  it('makes any name one that S3 and file systems take', () => {
    for (const name of ['a/b', '../../etc', 'Ünïcode "quoted"', 'x'.repeat(5000), '\n\0', '💥', '.', '..']) {
      const made = dataObjectName(3, name, 'gz');
      expect(made).toMatch(/^00003-[A-Za-z0-9._-]*\.gz\.enc$/);
      expect(made.length).toBeLessThan(200);
      expect(dataObjectOrdinal(`v1/s/${id}/data/${made}`)).toBe(3);
      expect(compressionOf(made)).toBe('gz');
    }
  });

  it('keeps names apart that look alike once made safe, and counts on after 99,999', () => {
    expect(dataObjectName(1, 'a/b', 'zst')).not.toBe(dataObjectName(2, 'a b', 'zst'));
    expect(dataObjectOrdinal(`v1/s/${id}/data/${dataObjectName(100_000, 'x', 'zst')}`)).toBe(100_000);
    expect(dataObjectOrdinal(`v1/s/${id}/data/stranger`)).toBe(0);
  });

  it('refuses a source or an id that is no name', () => {
    expect(() => sourcePrefix('../x')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => sourcePrefix('A')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => manifestKey('shop', 'latest')).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
