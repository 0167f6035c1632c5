import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZstdFrameReader } from './zstd-frames.ts';

const compress = (data: Buffer, checksum = true) =>
  zlib.zstdCompressSync(data, { params: { [zlib.constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 } });

async function* cut(bytes: Buffer, sizes: readonly number[]) {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const readFrame = async (reader: ZstdFrameReader) => {
  const chunks: Buffer[] = [];
  for await (const chunk of reader.nextFrame()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

describe('ZstdFrameReader', () => {
  it('gives each frame exactly, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 0, max: 200 }), fc.boolean()),
          { minLength: 1, maxLength: 5 },
        ),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 }),
        async (items, sizes) => {
          const frames = items.map(([data, repeat, checksum]) =>
            compress(Buffer.concat([Buffer.from(data), Buffer.alloc(repeat * 1000, 7)]), checksum),
          );
          const reader = new ZstdFrameReader(cut(Buffer.concat(frames), sizes));
          for (const frame of frames) expect(await readFrame(reader)).toEqual(frame);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('passes a large frame of many blocks on', async () => {
    const data = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 2654435761) % 251));
    const frames = [compress(data), compress(Buffer.alloc(0)), compress(data)];
    const reader = new ZstdFrameReader(cut(Buffer.concat(frames), [65_536]));
    for (const frame of frames)
      expect(zlib.zstdDecompressSync(await readFrame(reader))).toEqual(zlib.zstdDecompressSync(frame));
  });

  it('refuses a frame whose end is missing', async () => {
    const frame = compress(Buffer.alloc(5000, 3));
    for (const length of [0, 3, 8, frame.length - 1]) {
      const reader = new ZstdFrameReader(cut(frame.subarray(0, length), [100]));
      await expect(readFrame(reader)).rejects.toMatchObject({ code: 'TOOL_FAILED' });
    }
  });

  it('refuses what is no zstd frame', async () => {
    const reader = new ZstdFrameReader(cut(Buffer.from('1\ttext of a table\n'), [100]));
    await expect(readFrame(reader)).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  });
});
