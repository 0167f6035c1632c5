import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Session } from './session.ts';
import { Harness } from './testing/harness.ts';

describe('copies over a connection', () => {
  let harness: Harness;
  const sessions: Session[] = [];
  beforeAll(async () => {
    harness = await Harness.start(18);
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close();
  });
  afterAll(() => harness.stop());

  const connect = async (answerSeconds = 60) => {
    const session = await Session.connect(harness.server.connection, {
      signal: new AbortController().signal,
      answerSeconds,
    });
    sessions.push(session);
    return session;
  };
  const read = async (blocks: AsyncIterable<Buffer>) => {
    let text = '';
    for await (const block of blocks) text += block.toString('latin1');
    return text;
  };
  async function* lines(count: number, bad?: number): AsyncGenerator<Buffer> {
    for (let line = 1; line <= count; line += 1) yield Buffer.from(line === bad ? 'x\n' : `${line}\n`);
  }
  const pidOf = async (session: Session) =>
    (await session.one<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid')).pid;

  it('give the text of a table, one copy after the other', async () => {
    const session = await connect();
    const all = session.copyOut('COPY (SELECT generate_series(1, 300000)) TO STDOUT');
    expect(await read(all.blocks)).toBe(
      Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join(''),
    );
    expect(all.rows()).toBe(300_000);
    const none = session.copyOut('COPY (SELECT 1 WHERE false) TO STDOUT');
    expect([await read(none.blocks), none.rows()]).toEqual(['', 0]);
    const wide = session.copyOut(`COPY (SELECT repeat('w', 5000000)) TO STDOUT`);
    expect([(await read(wide.blocks)).length, wide.rows()]).toEqual([5_000_001, 1]);
    expect(await session.one('select 1 as one')).toEqual({ one: 1 });
  });

  it('fail with the words of the server when it cannot go on', async () => {
    const { blocks } = (await connect()).copyOut(
      'COPY (SELECT 1 / (200000 - i) FROM generate_series(1, 300000) i) TO STDOUT',
      'cannot copy t',
    );
    await expect(read(blocks)).rejects.toMatchObject({
      code: 'TOOL_FAILED',
      message: 'cannot copy t: division by zero',
      detail: { sqlState: '22012' },
    });
  });

  it('end their session when they are given up, for its next answer would be rows', async () => {
    const session = await connect();
    for await (const block of session.copyOut('COPY (SELECT generate_series(1, 3000000)) TO STDOUT').blocks) {
      expect(block.length).toBeGreaterThan(0);
      break;
    }
    await expect(session.one('select 1 as one')).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  it('end when the server falls silent', async () => {
    const session = await connect(1);
    const pid = await pidOf(session);
    const { blocks } = session.copyOut('COPY (SELECT generate_series(1, 30000000)) TO STDOUT');
    try {
      const reading = (async () => {
        let isStopped = false;
        for await (const _ of blocks) {
          if (!isStopped) process.kill(pid, 'SIGSTOP');
          isStopped = true;
        }
      })();
      await expect(reading).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        message: 'the server sent nothing for 1 s in the middle of a table',
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('take text in pieces, and say how many rows it was', async () => {
    const session = await connect();
    await session.run('CREATE TABLE public.taken (a int)');
    expect(await session.copyIn('COPY public.taken FROM STDIN', lines(1000))).toBe(1000);
    async function* oneByOne(): AsyncGenerator<Buffer> {
      for (const byte of Buffer.from('7\n8\n')) yield Buffer.from([byte]);
      yield Buffer.alloc(0);
    }
    expect(await session.copyIn('COPY public.taken FROM STDIN', oneByOne())).toBe(2);
    expect(await session.copyIn('COPY public.taken FROM STDIN', lines(0))).toBe(0);
    expect(await session.one('select sum(a)::int as sum from public.taken')).toEqual({ sum: 500_515 });
  });

  it('fail with the words of a table that refuses a row, and read no further', async () => {
    const session = await connect();
    await session.run('CREATE TABLE public.refusing (a int)');
    let given = 0;
    async function* counted(): AsyncGenerator<Buffer> {
      for await (const line of lines(3_000_000, 10)) {
        given += 1;
        yield line;
      }
    }
    const copying = session.copyIn('COPY public.refusing FROM STDIN', counted(), 'cannot restore refusing');
    await expect(copying).rejects.toMatchObject({
      code: 'TOOL_FAILED',
      message: 'cannot restore refusing: invalid input syntax for type integer: "x"',
    });
    expect(given).toBeLessThan(3_000_000);
    // The server has ended the statement, so the session goes on.
    expect(await session.one('select count(*)::int as rows from public.refusing')).toEqual({ rows: 0 });
    await expect(session.copyIn('COPY public.missing FROM STDIN', lines(1))).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
    });
  });

  it('leave nothing when their text breaks off', async () => {
    const session = await connect();
    await session.run('CREATE TABLE public.broken (a int)');
    async function* breaking(): AsyncGenerator<Buffer> {
      yield* lines(200_000);
      throw new Error('the text broke off');
    }
    await expect(session.copyIn('COPY public.broken FROM STDIN', breaking())).rejects.toThrow(
      'the text broke off',
    );
    await expect(session.run('SELECT 1')).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    expect(await (await connect()).one('select count(*)::int as rows from public.broken')).toEqual({
      rows: 0,
    });
  });

  it('end when the server takes nothing more', async () => {
    const session = await connect(1);
    await session.run('CREATE TABLE public.stopped (a int)');
    const pid = await pidOf(session);
    const large = Buffer.from('1\n'.repeat(500_000));
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) {
        yield large;
        process.kill(pid, 'SIGSTOP');
      }
    }
    try {
      await expect(session.copyIn('COPY public.stopped FROM STDIN', endless())).rejects.toMatchObject({
        code: 'SOURCE_UNREACHABLE',
        message: 'the server took nothing for 1 s in the middle of a table',
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});
