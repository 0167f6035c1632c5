import { createHash, type Hash } from 'node:crypto';
import { type Crc64, Crc64Combiner, encodeCrc64 } from './crc64.ts';
import type { BytesDigest } from './digest.ts';
import type { UploadPart } from './upload-parts.ts';

/** Hashes each byte once: SHA-256 over all, CRC per part, the CRC of the whole put together from the parts'. */
export class PartMeter {
  readonly #sha256: Hash = createHash('sha256');
  readonly #crc64: Crc64;
  readonly #whole = new Crc64Combiner();
  readonly #crcs: bigint[] = [];
  #storedBytes = 0;
  #acknowledged = 0;
  #digest: BytesDigest | undefined;

  constructor(crc64: Crc64) {
    this.#crc64 = crc64;
  }

  update(part: UploadPart): void {
    this.#sha256.update(part.bytes);
    this.#crc64.reset();
    this.#crc64.update(part.bytes);
    const crc = this.#crc64.digest();
    this.#crcs.push(crc);
    this.#whole.append(crc, part.bytes.length);
    this.#storedBytes += part.bytes.length;
  }

  crcOfPart(number: number): bigint {
    return this.#crcs[number - 1] ?? 0n;
  }

  /** Parts may be acknowledged out of order; their sum is the progress. */
  acknowledge(bytes: number): number {
    this.#acknowledged += bytes;
    return this.#acknowledged;
  }

  /** Only after the last part. */
  digest(): BytesDigest {
    this.#digest ??= {
      storedBytes: this.#storedBytes,
      sha256: this.#sha256.digest('hex'),
      crc64nvme: encodeCrc64(this.#whole.digest()),
    };
    return this.#digest;
  }
}
