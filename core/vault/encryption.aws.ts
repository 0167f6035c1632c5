import { finished, PassThrough, pipeline, Readable } from 'node:stream';
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  type KeyringNode,
  type MessageHeader,
} from '@aws-crypto/client-node';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import type { ItemContext } from './keys.ts';

/** 1 MiB: frames of the library's own 4 KiB are four to ten times slower; a reader buffers one frame. */
const frameBytes = 1 << 20;
/** Committing, without a signature at the end: every frame can be handed out once its tag was checked. */
const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;

/** Hands chunks out as they came: a byte stream joins those that wait, which copies nearly every byte once more. */
const chunkByChunk = { readableObjectMode: true, readableHighWaterMark: 8 };

const { encryptStream, decryptUnsignedMessageStream } = buildClient({
  commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
  // A vault key and a break-glass key, with room for a key of a third Region and one more.
  maxEncryptedDataKeys: 4,
});

/**
 * The plaintext as one AWS Encryption SDK message.
 *
 * The library joins its inner streams in a way that throws into the event loop when one of them is destroyed early, which
 * ends the process. So its stream is never destroyed: an encryption that is given up is ended and drained into nowhere,
 * which also makes the library forget the data key.
 */
export async function* encryptMessage(
  keyring: KeyringNode,
  plaintext: Readable,
  context: ItemContext,
): AsyncGenerator<Uint8Array> {
  const cipher = encryptStream(keyring, {
    suiteId,
    frameLength: frameBytes,
    encryptionContext: { ...context },
  });
  const message = new PassThrough(chunkByChunk);
  cipher.on('error', (error) => message.destroy(error));
  finished(plaintext, { writable: false }, (error) => {
    if (error) message.destroy(error);
  });
  cipher.pipe(message);
  plaintext.pipe(cipher);
  try {
    yield* message as AsyncIterable<Buffer>;
  } finally {
    plaintext.unpipe(cipher);
    plaintext.destroy();
    cipher.unpipe(message);
    message.destroy();
    if (!cipher.writableEnded) cipher.end();
    cipher.resume();
  }
}

/** The plaintext of a message, frame by checked frame. @throws DECRYPT_FAILED */
export async function* decryptMessage(
  keyring: KeyringNode,
  stored: AsyncIterable<Uint8Array>,
  context: ItemContext,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(stored, { objectMode: false, highWaterMark: frameBytes });
  const cipher = decryptUnsignedMessageStream(keyring, { maxBodySize: frameBytes });
  const plain = new PassThrough(chunkByChunk);
  // It may report a premature close once more after the loop below has gone.
  cipher.on('error', (error) => plain.destroy(error));
  let header: MessageHeader | undefined;
  cipher.once('MessageHeader', (found: MessageHeader) => (header = found));
  let sourceError: unknown;
  source.once('error', (error) => (sourceError = error));
  pipeline(source, cipher, () => undefined);
  cipher.pipe(plain);
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      checkContext(header, context);
      yield chunk;
    }
    checkContext(header, context);
  } catch (error) {
    throw toDecryptError(sourceError ?? error, context);
  } finally {
    source.destroy();
    cipher.destroy();
    plain.destroy();
  }
}

function checkContext(header: MessageHeader | undefined, context: ItemContext): void {
  for (const [name, expected] of Object.entries(context)) {
    const found = header?.encryptionContext[name];
    if (found === expected) continue;
    throw new HoldfastError(
      'DECRYPT_FAILED',
      `item ${JSON.stringify(context.item)} is encrypted as ${name} ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`,
      { hint: 'were objects of the vault swapped or renamed?' },
    );
  }
}

function toDecryptError(error: unknown, context: ItemContext): unknown {
  if (isHoldfastError(error)) return error;
  if ((error as Error).name === 'AbortError') return error;
  return new HoldfastError(
    'DECRYPT_FAILED',
    `item ${JSON.stringify(context.item)} cannot be decrypted: ${firstLine(error)}`,
    { cause: error, hint: 'is this the key that the backup was made with?' },
  );
}

/** The library puts the stack of every key that it tried into one message. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().split('\n')[0] ?? '';
}
