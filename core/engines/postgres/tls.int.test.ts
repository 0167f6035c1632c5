import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { Session } from './session.ts';
import { Harness } from './testing/harness.ts';

describe('TLS to the server', () => {
  let directory: string;
  let harness: Harness;
  let source: PostgresConnection;
  const file = (name: string) => path.join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

  beforeAll(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-tls-'));
    chmodSync(directory, 0o755);
    for (const name of ['authority', 'stranger']) {
      openssl(
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        file(`${name}.key`),
        '-out',
        file(`${name}.pem`),
      );
    }
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      file('server.key'),
      '-out',
      file('server.csr'),
    );
    openssl(
      'x509',
      '-req',
      '-in',
      file('server.csr'),
      '-days',
      '2',
      '-copy_extensions',
      'copy',
      '-CA',
      file('authority.pem'),
      '-CAkey',
      file('authority.key'),
      '-out',
      file('server.pem'),
    );
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=certified',
      '-keyout',
      file('client.key'),
      '-out',
      file('client.csr'),
    );
    openssl(
      'x509',
      '-req',
      '-in',
      file('client.csr'),
      '-days',
      '2',
      '-CA',
      file('authority.pem'),
      '-CAkey',
      file('authority.key'),
      '-out',
      file('client.pem'),
    );
    for (const key of ['server.key', 'client.key']) chmodSync(file(key), 0o600);
    mkdirSync(file('socket'));
    chmodSync(file('socket'), 0o777);
    if (process.getuid?.() === 0) chownSync(file('server.key'), 65534, 65534);
    harness = await Harness.start(18, {
      ssl: 'on',
      ssl_cert_file: file('server.pem'),
      ssl_key_file: file('server.key'),
      ssl_ca_file: file('authority.pem'),
      unix_socket_directories: file('socket'),
    });
    writeFileSync(
      path.join(harness.server.dataDirectory, 'pg_hba.conf'),
      `local all postgres scram-sha-256
      host all postgres 127.0.0.1/32 scram-sha-256
      hostssl all encrypted 127.0.0.1/32 scram-sha-256
      hostssl all certified 127.0.0.1/32 cert`,
    );
    await harness.sql(
      harness.server.connection,
      `SELECT pg_reload_conf(); CREATE ROLE encrypted SUPERUSER LOGIN PASSWORD 'pw'; CREATE ROLE certified SUPERUSER LOGIN`,
    );
    source = await harness.database();
    await harness.sql(source, 'CREATE TABLE t AS SELECT 1 AS a');
  });
  afterAll(async () => {
    await harness.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const accepted: Partial<PostgresConnection>[] = [
    { tls: 'require' },
    { tls: 'verify-ca' },
    { tls: 'verify-full', host: 'localhost' },
  ];
  for (const mode of accepted) {
    it(`is used for every connection of a backup and a restore with ${mode.tls}`, async () => {
      const secured = { ...source, caFile: file('authority.pem'), ...mode };
      let encrypted = '';
      const backup = await harness.backup(secured, {
        engine: {
          onStep: async (step) => {
            if (step !== 'ready') return;
            encrypted = await harness.sql(
              source,
              "SELECT count(*) FILTER (WHERE ssl) || ' of ' || count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'holdfast-%'",
            );
          },
        },
      });
      // pg_dump may have ended already; leader, watcher, counter and one copy are there.
      expect(encrypted).toMatch(/^([45]) of \1$/);
      await harness.restore({ ...secured, dbname: (await harness.database()).dbname }, backup);
    });
  }

  it('refuses a certificate of a stranger, and with verify-full one of another host', async () => {
    const probe = (connection: Partial<PostgresConnection>) =>
      harness.engine().probe({ ...source, ...connection });
    for (const tls of ['verify-ca', 'verify-full'] as const) {
      await expect(probe({ tls, host: 'localhost', caFile: file('stranger.pem') })).rejects.toMatchObject({
        code: 'SOURCE_TLS',
      });
      await expect(probe({ tls, host: 'localhost' })).rejects.toMatchObject({ code: 'SOURCE_TLS' });
    }
    await expect(
      probe({ tls: 'verify-full', host: '127.0.0.1', caFile: file('authority.pem') }),
    ).rejects.toMatchObject({ code: 'SOURCE_TLS' });
  });

  it('is what the server asks for when it refuses a plain connection, and otherwise it is the host', async () => {
    const probe = (connection: Partial<PostgresConnection>) =>
      harness.engine().probe({ ...source, password: 'pw', ...connection });
    await expect(probe({ username: 'encrypted' })).rejects.toMatchObject({
      code: 'SOURCE_TLS',
      message: expect.stringContaining('no pg_hba.conf entry'),
      hint: expect.stringContaining('sslmode=verify-full'),
    });
    expect((await probe({ username: 'encrypted', tls: 'require' })).ok).toBe(true);
    await expect(probe({ username: 'stranger', tls: 'require' })).rejects.toMatchObject({
      code: 'SOURCE_CREDENTIALS',
    });
  });

  it('lets in whom a certificate names, with every program', async () => {
    const { password: _, ...named } = { ...source, username: 'certified', host: 'localhost' };
    const certified: PostgresConnection = {
      ...named,
      tls: 'verify-full',
      caFile: file('authority.pem'),
      certFile: file('client.pem'),
      keyFile: file('client.key'),
    };
    const backup = await harness.backup(certified);
    const target = await harness.database();
    await harness.restore({ ...certified, dbname: target.dbname }, backup);
    expect(await harness.sql(target, 'SELECT a FROM t')).toBe('1');
    await expect(harness.engine().probe({ ...certified, certFile: file('none.pem') })).rejects.toMatchObject({
      code: 'SOURCE_TLS',
      message: `cannot read the client's certificate ${file('none.pem')}`,
    });
  });

  it('does not stand in the way of a Unix socket, settings or a server that is one of several', async () => {
    const { port } = source;
    const ways: Partial<PostgresConnection>[] = [
      { host: file('socket'), tls: 'verify-full' },
      { options: '-c application_name=x -c geqo=off' },
      { port: 1, alternatives: [{ host: '127.0.0.1', port }], role: 'primary' },
    ];
    for (const way of ways) {
      const backup = await harness.backup({ ...source, ...way });
      const target = await harness.database();
      await harness.restore({ ...source, ...way, dbname: target.dbname }, backup);
      expect(await harness.sql(target, 'SELECT a FROM t')).toBe('1');
    }
    const session = await Session.connect(
      { ...source, options: '-c geqo=off' },
      { signal: new AbortController().signal, answerSeconds: 10 },
    );
    expect(await session.one('SHOW geqo')).toEqual({ geqo: 'off' });
    await session.close();
    await expect(
      harness.engine().probe({ ...source, alternatives: [{ host: '127.0.0.1', port: 1 }], role: 'standby' }),
    ).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });
});
