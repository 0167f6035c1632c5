import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOfText, holdsBytes, speakByteText, textOfBytes } from './byte-text.ts';
import { displayName } from './quote.ts';

const utf8Pieces = fc.constantFrom('a', 'é', '日', '🙂', '\uef80', '\uefff', '\uef7f', '\uf000', '\ud7ff');
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      utf8Pieces.map((piece) => Buffer.from(piece)),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => Buffer.concat(pieces));

describe('text of bytes', () => {
  it('gives every sequence of bytes a well-formed text of its own, and the bytes back', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        const text = textOfBytes(given);
        expect(text.isWellFormed()).toBe(true);
        expect(text).not.toContain('\ufffd'.repeat(2));
        expect(bytesOfText(text)).toEqual(given);
        expect(bytesOfText(JSON.parse(Buffer.from(JSON.stringify(text)).toString()) as string)).toEqual(
          given,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves UTF-8 as it is, but for the characters that stand for bytes', () => {
    for (const text of ['', 'plain', 'é日🙂', '\uef7f\uf000', '\ufffd']) {
      expect(textOfBytes(Buffer.from(text))).toBe(text);
      expect(holdsBytes(text)).toBe(false);
    }
    expect(textOfBytes(Buffer.from('\uef80'))).toBe('\uefee\uefbe\uef80');
    expect(textOfBytes(Buffer.from('61e9c3a9ed a0 80'.replaceAll(' ', ''), 'hex'))).toBe(
      'a\uefe9é\uefed\uefa0\uef80',
    );
  });

  it('is shown as PostgreSQL shows characters by number, so that no two names look alike', () => {
    const shown = (name: string) => displayName({ schema: 'public', name });
    expect(shown('caf\uefe9')).toBe('public.U&"caf\\EFE9"');
    expect(shown('a\\EFE9"\uefff')).toBe('public.U&"a\\\\EFE9""\\EFFF"');
    expect(shown('U&"a\\EFE9"')).toBe('public."U&""a\\EFE9"""');
  });
});

describe('a driver that speaks in bytes', () => {
  const message = (type: string, ...body: readonly (string | number[])[]) => {
    const bytes = Buffer.concat(body.map((piece) => Buffer.from(piece as string)));
    const header = Buffer.from([...Buffer.from(type), 0, 0, 0, 0]);
    header.writeUInt32BE(bytes.length + 4, 1);
    return Buffer.concat([header, bytes]);
  };
  const connected = () => {
    const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    const toDriver: Buffer[] = [];
    const sent: Buffer[] = [];
    stream.on('data', (bytes: Buffer) => toDriver.push(bytes));
    const connection = {
      stream,
      endCopyFrom: () => undefined,
      _send: (bytes: Buffer) => sent.push(bytes),
      on: () => undefined,
    };
    speakByteText(connection);
    return { connection, sent, stream, toDriver: () => Buffer.concat(toDriver) };
  };

  it('reads rows, errors and notices, however they are cut, and all else as it came', async () => {
    const answer = (e9: string | number[], length: number) => [
      message('T', [0, 2, 0xe9]),
      message('D', [0, 3, 0, 0, 0, length], 'a', e9, [255, 255, 255, 255, 0, 0, 0, 0]),
      message('D', [0, 1, 0, 0, 0, 2], 'é'),
      message('N', 'Mnotice ', e9, [0, 0]),
      message('E', 'C42P01', [0], 'M', e9, [0, 0]),
      message('Z', 'I'),
    ];
    const come = Buffer.concat(answer([0xe9], 2));
    for (const size of [1, 3, 7, come.length]) {
      const { stream, toDriver } = connected();
      for (let at = 0; at < come.length; at += size) stream.push(Buffer.from(come.subarray(at, at + size)));
      await new Promise((resolve) => setImmediate(resolve));
      expect(toDriver()).toEqual(Buffer.concat(answer('\uefe9', 4)));
    }
  });

  it('sends statements, and refuses a parameter', () => {
    const { connection, sent } = connected();
    connection._send(message('Q', 'SELECT "\uefe9é"', [0]));
    connection._send(message('P', [0], 'SELECT "\uef80"', [0, 0, 0]));
    connection._send(message('B', [0, 0, 0, 0], 'é'));
    expect(sent).toEqual([
      message('Q', 'SELECT "', [0xe9], 'é"', [0]),
      message('P', [0], 'SELECT "', [0x80], '"', [0, 0, 0]),
      message('B', [0, 0, 0, 0], 'é'),
    ]);
    expect(() => connection._send(message('B', [0, 0, 0, 0], '\uefe9'))).toThrow(
      'a parameter of a query holds bytes',
    );
  });
});
