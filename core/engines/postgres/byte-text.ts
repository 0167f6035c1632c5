import { isUtf8 } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { HoldfastError } from '../../errors.ts';
import { type DriverConnection, driversListener } from './driver-connection.ts';

/**
 * A database in SQL_ASCII knows no encoding: names and definitions are bytes, which may be no UTF-8, not least because the server
 * cuts long names within a character. Here and in the manifest a byte that is part of no UTF-8 character is the character U+EF00 plus
 * the byte, of the private use area, as in OPTU-8 (https://www.mirbsd.org/htman/i386/man3/optu8to16.htm). What is UTF-8 stays as it
 * is, but for these characters themselves, which are told by their bytes: no two names get the same text.
 */
const firstCode = 0xef00;
const reserved = /[\uef80-\uefff]/;

export function holdsBytes(text: string): boolean {
  return reserved.test(text);
}

export function textOfBytes(bytes: Buffer): string {
  const whole = isUtf8(bytes) ? bytes.toString('utf8') : undefined;
  if (whole !== undefined && !holdsBytes(whole)) return whole;
  const pieces: string[] = [];
  let from = 0;
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    pieces.push(bytes.toString('utf8', from, at), String.fromCharCode(firstCode + (bytes[at] ?? 0)));
    at += 1;
    from = at;
  }
  pieces.push(bytes.toString('utf8', from));
  return pieces.join('');
}

export function bytesOfText(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return holdsBytes(text) ? withPlainBytes(bytes) : bytes;
}

/** Of UTF-8 that holds such characters, each of three bytes. */
function withPlainBytes(utf8: Buffer): Buffer {
  const plain = Buffer.alloc(utf8.length);
  let to = 0;
  for (let at = 0; at < utf8.length;) {
    if (isReserved(utf8, at)) {
      plain[to] = ((utf8[at + 1] ?? 0) << 6) | ((utf8[at + 2] ?? 0) & 0x3f);
      at += 3;
    } else {
      plain[to] = utf8[at] ?? 0;
      at += 1;
    }
    to += 1;
  }
  return plain.subarray(0, to);
}

/** 0xEE 0xBE 0x80 to 0xEE 0xBF 0xBF. */
function isReserved(utf8: Buffer, at: number): boolean {
  return utf8[at] === 0xee && (utf8[at + 1] ?? 0) >= 0xbe;
}

/** 0 where no character of UTF-8 begins, and for those that stand for bytes. */
function characterLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const character = bytes.subarray(at, at + length);
  return character.length === length && isUtf8(character) && !isReserved(bytes, at) ? length : 0;
}

/** Of the protocol's messages: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const headerBytes = 5;
const lengthBytes = 4;

/**
 * Lets the driver, which knows UTF-8 alone, speak with a server whose text is bytes. Between two queries only. Parameters cannot
 * carry bytes: a name is written into the statement.
 */
export function speakByteText(connection: DriverConnection): void {
  const send = connection._send.bind(connection);
  connection._send = (message) => send(withBytes(message));
  new ByteTextFilter(connection.stream);
}

function withBytes(message: Buffer): Buffer {
  const type = message.toString('latin1', 0, 1);
  const body = message.subarray(headerBytes);
  if (!'QPB'.includes(type) || !body.some((_, at) => isReserved(body, at))) return message;
  // The values within are led by their lengths.
  if (type === 'B') throw new HoldfastError('INTERNAL', 'a parameter of a query holds bytes of a name');
  return framed(message, withPlainBytes(body));
}

function framed(header: Buffer, body: Buffer): Buffer {
  const message = Buffer.concat([header.subarray(0, headerBytes), body]);
  message.writeUInt32BE(body.length + lengthBytes, 1);
  return message;
}

/** Makes text of what the server answers, before the driver sees it: of rows, errors and notices. */
class ByteTextFilter {
  readonly #deliver: (bytes: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Duplex) {
    this.#deliver = driversListener(stream, (chunk) => this.#read(chunk));
  }

  #read(chunk: Buffer): void {
    let left = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (left.length >= headerBytes) {
      const length = 1 + left.readUInt32BE(1);
      if (left.length < length) break;
      messages.push(withText(left.subarray(0, length)));
      left = left.subarray(length);
    }
    this.#rest = left;
    if (messages.length > 0) this.#deliver(Buffer.concat(messages));
  }
}

function withText(message: Buffer): Buffer {
  const type = message.toString('latin1', 0, 1);
  const body = message.subarray(headerBytes);
  if (!'DEN'.includes(type) || (isUtf8(body) && !body.some((_, at) => isReserved(body, at)))) return message;
  return framed(message, type === 'D' ? rowWithText(body) : Buffer.from(textOfBytes(body)));
}

function rowWithText(row: Buffer): Buffer {
  const pieces = [row.subarray(0, 2)];
  for (let at = 2; at < row.length;) {
    const length = row.readInt32BE(at);
    at += lengthBytes;
    if (length < 0) {
      pieces.push(row.subarray(at - lengthBytes, at));
      continue;
    }
    const text = Buffer.from(textOfBytes(row.subarray(at, at + length)));
    const header = Buffer.alloc(lengthBytes);
    header.writeInt32BE(text.length);
    pieces.push(header, text);
    at += length;
  }
  return Buffer.concat(pieces);
}
