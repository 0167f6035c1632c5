import { createCRC64, type IHasher } from 'hash-wasm';

/** The polynomial of CRC-64/NVME, reflected, as hash-wasm wants it; the check value of "123456789" is AE8B14860A799888. */
const polynomial = '9a6c9329ac4bc9b5';

/** A running CRC-64/NVME. */
export interface Crc64 {
  update(bytes: Uint8Array): void;
  /** The value so far as 64 bits; ends the run, `reset` begins the next. */
  digest(): bigint;
  reset(): void;
}

/** WebAssembly: about 1.1 GB/s on one core, against 2.5 MB/s to 20 MB/s of table-driven scripts. */
export async function createCrc64(): Promise<Crc64> {
  const hasher: IHasher = await createCRC64(polynomial);
  hasher.init();
  return {
    update: (bytes) => void hasher.update(bytes),
    digest: () => BigInt(`0x${hasher.digest('hex')}`),
    reset: () => void hasher.init(),
  };
}

/** As S3 writes it: base64 of the 8 bytes, big-endian. */
export function encodeCrc64(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes.toString('base64');
}

const polynomialBits = BigInt(`0x${polynomial}`);
const one = 1n << 63n;

/** Product of two polynomials modulo the CRC's own, in reflected form (the highest bit is x^0). */
function multiply(left: bigint, right: bigint): bigint {
  let product = 0n;
  let factor = right;
  for (let bit = one; bit !== 0n; bit >>= 1n) {
    if ((left & bit) !== 0n) product ^= factor;
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ polynomialBits : factor >> 1n;
  }
  return product;
}

/** x^(8·bytes) modulo the polynomial, by squaring. */
function shiftBy(bytes: number): bigint {
  let power = one;
  let square = one >> 8n;
  for (let rest = BigInt(bytes); rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

/**
 * CRCs of consecutive parts put together into that of the whole, so that an upload hashes each byte once although S3 wants
 * a checksum per part and one of the full object.
 */
export class Crc64Combiner {
  #value = 0n;
  readonly #shifts = new Map<number, bigint>();

  append(crc: bigint, length: number): void {
    let shift = this.#shifts.get(length);
    if (shift === undefined) {
      shift = shiftBy(length);
      this.#shifts.set(length, shift);
    }
    this.#value = multiply(this.#value, shift) ^ crc;
  }

  digest(): bigint {
    return this.#value;
  }
}
