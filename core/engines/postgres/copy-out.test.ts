import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { CopyOutFilter, RowBlocks } from './copy-out.ts';

const blockBytes = 256 * 1024;

/** A connection as its driver sees it. */
function connection() {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const driver: Buffer[] = [];
  // The driver may keep what it is given: a copy would hide that the filter changed it later.
  stream.on('data', (bytes: Buffer) => driver.push(bytes));
  return { stream, toDriver: () => Buffer.concat(driver) };
}

function message(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

function* cut(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1;
    yield Buffer.from(bytes.subarray(at, at + length));
    at += length;
  }
}

async function rowsOf(blocks: RowBlocks): Promise<Buffer> {
  const rows: Buffer[] = [];
  for (let block = await blocks.next(); block !== undefined; block = await blocks.next())
    rows.push(Buffer.from(block));
  return Buffer.concat(rows);
}

describe('rows taken out of what a server sends', () => {
  const rows = [0, 1, 3, 70_000, 0, 5, blockBytes * 2 + 7, 12].map((length, index) =>
    Buffer.alloc(length, `${index} row\n`),
  );
  const others = [message('H', Buffer.from([0, 0, 0])), message('N', Buffer.alloc(900, 'notice'))];
  const end = [
    message('c', Buffer.alloc(0)),
    message('C', Buffer.from('COPY 8\0')),
    message('Z', Buffer.from('T')),
  ];
  const sent = Buffer.concat([
    ...others,
    ...rows.flatMap((row, index) => (index === 3 ? [message('d', row), others[1]!] : [message('d', row)])),
    ...end,
  ]);

  for (const lengths of [[1], [4], [5], [7, 1, 2], [65_536], [1000, 3], [sent.length]]) {
    it(`are whole, and all else reaches the driver as it came, in pieces of ${lengths.join(', ')} bytes`, async () => {
      const { stream, toDriver } = connection();
      const filter = new CopyOutFilter(stream);
      const blocks = new RowBlocks(stream, 60_000);
      filter.rows = blocks;
      const read = rowsOf(blocks);
      for (const piece of cut(sent, lengths)) {
        stream.push(piece);
        if (lengths[0]! > 1000) await new Promise(setImmediate);
      }
      while (!toDriver().includes('COPY 8')) await new Promise(setImmediate);
      blocks.end();
      expect((await read).equals(Buffer.concat(rows))).toBe(true);
      expect(toDriver().equals(Buffer.concat([...others, others[1]!, ...end]))).toBe(true);
    });
  }

  it('wait for a slow reader in the connection, not in memory', async () => {
    const { stream } = connection();
    const filter = new CopyOutFilter(stream);
    const blocks = new RowBlocks(stream, 60_000);
    filter.rows = blocks;
    const row = message('d', Buffer.alloc(65_000, 'x'));
    let taken = 0;
    stream.on('data', (bytes: Buffer) => (taken += bytes.length));
    for (let count = 0; count < 100; count += 1) stream.push(row);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // One block is full, and what came together with its last byte.
    expect(stream.isPaused()).toBe(true);
    expect(taken).toBeLessThan(blockBytes + 2 * row.length);
    const first = await blocks.next();
    expect(first?.length).toBe(blockBytes);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // The reader works on one block, and one more is ready for it.
    expect(taken).toBeGreaterThan(blockBytes + 2 * row.length);
    expect(taken).toBeLessThan(2 * blockBytes + 3 * row.length);
  });

  it('use a block again only when its reader asks for the next one', async () => {
    const { stream } = connection();
    const filter = new CopyOutFilter(stream);
    const blocks = new RowBlocks(stream, 60_000);
    filter.rows = blocks;
    const body = (letter: string) => message('d', Buffer.alloc(blockBytes, letter));
    stream.push(Buffer.concat([body('a'), body('b'), body('c')]));
    const first = await blocks.next();
    await new Promise(setImmediate);
    expect(first?.every((byte) => byte === 97)).toBe(true);
    const second = await blocks.next();
    stream.push(body('d'));
    await new Promise(setImmediate);
    expect(second?.every((byte) => byte === 98)).toBe(true);
  });

  it('fail with what failed the copy, also when it comes first', async () => {
    const { stream } = connection();
    const blocks = new RowBlocks(stream, 60_000);
    const reading = blocks.next();
    blocks.fail(new Error('first'));
    blocks.fail(new Error('second'));
    await expect(reading).rejects.toThrow('first');
    await expect(blocks.next()).rejects.toThrow('first');
  });

  it('mean a stopped server when they stop coming, and not when they are slow', async () => {
    const { stream } = connection();
    const filter = new CopyOutFilter(stream);
    const blocks = new RowBlocks(stream, 1000);
    filter.rows = blocks;
    const reading = blocks.next();
    const outcome = reading.then(
      () => 'block',
      (error: { code?: string; message?: string }) => `${error.code}: ${error.message}`,
    );
    let isOver = false;
    void outcome.then(() => (isOver = true));
    // Longer in all than a silence may be, and no pause of them nearly as long.
    for (let count = 0; count < 30; count += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      stream.push(message('d', Buffer.from('slow')));
    }
    expect(isOver).toBe(false);
    expect(await outcome).toBe(
      'SOURCE_UNREACHABLE: the server sent nothing for 1 s in the middle of a table',
    );
  });

  it('need a driver that reads as expected', () => {
    const stream = new Duplex({ read: () => undefined });
    expect(() => new CopyOutFilter(stream)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});
