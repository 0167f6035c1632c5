import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, chmodSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
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
    chmodSync(file('server.key'), 0o600);
    if (process.getuid?.() === 0) chownSync(file('server.key'), 65534, 65534);
    harness = await Harness.start(18, {
      ssl: 'on',
      ssl_cert_file: file('server.pem'),
      ssl_key_file: file('server.key'),
    });
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
});
