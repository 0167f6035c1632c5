import { execFileSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compressStream, decompressStream } from './compress.ts';
import { gather, inPieces, noise } from './testing/streams.ts';

const content = Buffer.concat([noise(300_000), Buffer.alloc(3_000_000, 'abc')]);

describe('compress', () => {
  it('gives back what went in, and counts it', async () => {
    for (const compression of ['zst', 'gz'] as const) {
      const { stream, done } = compressStream(Readable.from(inPieces(content)), { compression });
      const compressed = await gather(stream);
      expect(await done).toEqual({ bytes: content.length });
      expect(compressed.length).toBeLessThan(content.length / 2);
      const back = await gather(decompressStream(Readable.from(inPieces(compressed, 1000)), compression));
      expect(back.equals(content)).toBe(true);
    }
  });

  it('writes exactly one frame, however the source ends', async () => {
    const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
    for (let length = 0; length < 60; length += 1) {
      const parts = Array.from({ length: length % 4 }, (_, n) => noise(length * 7 + n));
      const compressed = await gather(compressStream(Readable.from(parts)).stream);
      expect(compressed.indexOf(magic)).toBe(0);
      expect(compressed.indexOf(magic, 1)).toBe(-1);
    }
  });

  it('reads a frame with an empty one behind it, as earlier writers left it', async () => {
    const frame = zstdCompressSync(Buffer.from('kept'));
    const bytes = Buffer.concat([frame, zstdCompressSync(Buffer.alloc(0))]);
    expect((await gather(decompressStream(Readable.from([bytes]), 'zst'))).toString()).toBe('kept');
  });

  it('reads what zstd and gzip write', async () => {
    const zstd = execFileSync('zstd', ['-q', '-c', '-T0'], { input: content, maxBuffer: 1 << 26 });
    const gzip = execFileSync('gzip', ['-c'], { input: content, maxBuffer: 1 << 26 });
    for (const [bytes, compression] of [
      [zstd, 'zst'],
      [gzip, 'gz'],
    ] as const) {
      const back = await gather(decompressStream(Readable.from(inPieces(bytes)), compression));
      expect(back.equals(content)).toBe(true);
    }
  });

  it('loses nothing in silence when more follows the frame', async () => {
    const compressed = await gather(compressStream(Readable.from(inPieces(content))).stream);
    const twice = Buffer.concat([compressed, compressed]);
    for (const [bytes, pieceBytes] of [
      [twice, 1000],
      [twice, 1 << 26],
      [Buffer.concat([compressed, Buffer.from('x')]), 1 << 26],
    ] as const) {
      const reading = gather(decompressStream(Readable.from(inPieces(bytes, pieceBytes)), 'zst'));
      await expect(reading).rejects.toMatchObject({ code: 'DECOMPRESS_FAILED' });
    }
  });

  it('fails on a flipped bit and on a missing end', async () => {
    const compressed = await gather(compressStream(Readable.from(inPieces(content))).stream);
    const flipped = Buffer.from(compressed);
    flipped[150_000] = (flipped[150_000] ?? 0) ^ 1;
    await expect(gather(decompressStream(Readable.from(inPieces(flipped)), 'zst'))).rejects.toThrow(
      /checksum|corrupt/i,
    );
    const cut = compressed.subarray(0, -3);
    await expect(gather(decompressStream(Readable.from(inPieces(cut)), 'zst'))).rejects.toThrow(
      'unexpected end of file',
    );
  });

  it('passes on the failure of its source', async () => {
    const broken = async function* () {
      yield noise(10);
      throw new Error('the source broke');
    };
    const { stream, done } = compressStream(Readable.from(broken()));
    await expect(gather(stream)).rejects.toThrow('the source broke');
    await expect(done).rejects.toThrow('the source broke');
  });
});
