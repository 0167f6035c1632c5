import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../postgres/postgres-server.ts';
import { type DrillReport, reportSchema } from '../report.ts';
import { sql } from '../workload/load-shop.ts';

const program = path.join(import.meta.dirname, '../main.ts');
let server: PostgresServer;
let folder: string;
let at: string;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-own-source-'));
  server = await startPostgres();
  at = `127.0.0.1:${server.port}`;
  await sql(server, 'postgres', 'create database nothing_in_it');
  await sql(server, 'postgres', `create role reader login password 'reader'`);
  await sql(
    server,
    'postgres',
    'create table seen (id int); create table unseen (id int); grant select on seen to reader',
  );
});
afterAll(async () => {
  await server.destroy();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** The drill with somebody's own database, which it looks at before it builds anything. */
async function drill(source: string): Promise<{ code: number | null; stderr: string; report: DrillReport }> {
  const temporary = fs.mkdtempSync(path.join(folder, 'tmp-'));
  const child = spawn(process.execPath, [program, '--json', '--out', folder, '--source', source], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  expect(fs.readdirSync(temporary)).toEqual([]);
  return { code, stderr, report: reportSchema.parse(JSON.parse(stdout)) };
}

const refusals: readonly (readonly [string, () => string, string, RegExp])[] = [
  [
    'a wrong password',
    () => `postgres://postgres:no-such@${at}/postgres`,
    'SOURCE_CREDENTIALS',
    /password authentication failed[^]*are user, password, host, port and database in --source right/,
  ],
  [
    'a port where nobody listens',
    () => 'postgres://postgres:x@127.0.0.1:1/postgres',
    'SOURCE_UNREACHABLE',
    /cannot connect to 127.0.0.1:1[^]*in --source right/,
  ],
  [
    'the same as keywords and values',
    () => 'host=127.0.0.1 port=1 user=postgres password=x dbname=postgres',
    'SOURCE_UNREACHABLE',
    /cannot connect to 127.0.0.1:1[^]*in --source right/,
  ],
  [
    'a folder without a socket',
    () => `postgres:///postgres?host=${encodeURIComponent(folder)}`,
    'SOURCE_UNREACHABLE',
    /cannot connect to \/[^]*in --source right/,
  ],
  [
    'a database that does not exist',
    () => `postgres://postgres:sandbox@${at}/nowhere`,
    'SOURCE_UNREACHABLE',
    /database "nowhere" does not exist/,
  ],
  [
    'a database without a table',
    () => `postgres://postgres:sandbox@${at}/nothing_in_it`,
    'USAGE',
    /has no table: a drill of it proves nothing[^]*other databases of this server: postgres/,
  ],
  [
    'a user who may read only part of it',
    () => `postgres://reader:reader@${at}/postgres`,
    'SOURCE_PRIVILEGES',
    /may not read public\.unseen[^]*GRANT pg_read_all_data/,
  ],
];

describe('npm run drill -- --source', () => {
  it.each(refusals)(
    'refuses %s before it builds anything, and says what to do',
    async (_, url, code, words) => {
      const refused = await drill(url());
      expect([refused.code, refused.report.failure?.code]).toEqual([1, code]);
      expect(refused.stderr).toMatch(words);
      expect(refused.stderr).not.toMatch(/no-such|sandbox@|reader:reader/);
      expect(refused.report.steps.map(({ name }) => name)).toEqual([
        'look at your database',
        'shut everything down',
      ]);
    },
  );

  it.each([
    ['mysql://root@127.0.0.1/shop', '--source is neither a PostgreSQL URL nor a list of keyword=value'],
    ['postgres://root@127.0.0.1/shop?sslmode=prefer', 'has sslmode=prefer; allowed are disable'],
    ['postgres://root@127.0.0.1:port/shop', '--source has a port that is no number from 1 to 65535'],
  ])('takes %s for a mistake in the command and writes no report', async (source, words) => {
    const child = spawn(process.execPath, [program, '--out', path.join(folder, 'none'), '--source', source], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    expect([await text(child.stderr), await ended]).toEqual([expect.stringContaining(words), 2]);
    expect(fs.existsSync(path.join(folder, 'none'))).toBe(false);
  });

  it('says so too when what answers is no PostgreSQL', async () => {
    const other = net.createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as net.AddressInfo;
    const refused = await drill(`postgres://postgres:x@127.0.0.1:${port}/postgres`);
    other.close();
    expect([refused.code, refused.report.failure?.code]).toEqual([1, 'SOURCE_UNREACHABLE']);
    expect(refused.stderr).toContain(`127.0.0.1:${port}`);
  });
});
