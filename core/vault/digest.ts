import { createHash, type Hash } from 'node:crypto';
import { type Crc64, createCrc64, encodeCrc64 } from './crc64.ts';

/** What identifies stored bytes: their number, SHA-256 (lower-case hex) and CRC-64/NVME (base64, as S3 writes it). */
export interface BytesDigest {
  readonly storedBytes: number;
  readonly sha256: string;
  readonly crc64nvme: string;
}

/** Digests bytes as they go by. */
export class DigestMeter {
  readonly #sha256: Hash = createHash('sha256');
  readonly #crc64: Crc64;
  #storedBytes = 0;

  private constructor(crc64: Crc64) {
    this.#crc64 = crc64;
  }

  static async create(): Promise<DigestMeter> {
    return new DigestMeter(await createCrc64());
  }

  get storedBytes(): number {
    return this.#storedBytes;
  }

  update(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
    this.#crc64.update(bytes);
    this.#storedBytes += bytes.length;
  }

  /** Ends the run. */
  digest(): BytesDigest {
    return {
      storedBytes: this.#storedBytes,
      sha256: this.#sha256.digest('hex'),
      crc64nvme: encodeCrc64(this.#crc64.digest()),
    };
  }
}

/** SHA-256 of bytes at hand, lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
