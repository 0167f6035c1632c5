import { PassThrough, pipeline, type Readable } from 'node:stream';

/** Chunks that wait for the reader, at most; a source's chunks are 64 KiB, as a rule. */
const waitingChunks = 8;

/**
 * The chunks of a byte stream as they came. Iterating over the stream itself joins what has gathered since the last look,
 * which copies nearly every byte once more. Ends, fails and is given up together with its source.
 */
export function chunksOf(source: Readable): AsyncIterable<Uint8Array> {
  const chunks = new PassThrough({ readableObjectMode: true, readableHighWaterMark: waitingChunks });
  pipeline(source, chunks, () => undefined);
  return chunks;
}
