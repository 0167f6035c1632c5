import { Readable } from 'node:stream';
import { compressStream } from '../compress.ts';
import type { ItemInput, ManifestFacts } from '../vault.ts';

/** Repeatable bytes that do not compress well. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** Bytes in pieces of a given size. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** An item as an engine hands it over. */
export function itemOf(name: string, content: Buffer, more: Partial<ItemInput> = {}): ItemInput {
  const { stream, done } = compressStream(Readable.from(inPieces(content), { objectMode: false }));
  return { name, kind: 'blob', compression: 'zst', body: stream, done, ...more };
}

/** What a job adds to a manifest, as short as it may be. */
export const facts: ManifestFacts = {
  engine: { name: 'test', version: '1' },
  type: 'full',
  startedAt: '2026-01-02T03:04:05.000Z',
  finishedAt: '2026-01-02T03:05:05.000Z',
  position: { lsn: '0/1A2B' },
  notCovered: [],
  independentCounts: [],
  tools: {},
  billOfMaterials: {},
};
