import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parsePostgresUrl, readConnection } from './connection.ts';

const home = mkdtempSync(path.join(os.tmpdir(), 'holdfast-connection-'));
afterAll(() => rmSync(home, { recursive: true }));

/** Nothing of the person who runs this. */
const nobody = { PGPASSFILE: path.join(home, 'none'), PGUSER: 'me' };
const parse = (text: string, environment: NodeJS.ProcessEnv = {}) =>
  parsePostgresUrl(text, { ...nobody, ...environment });
const refusal = (text: string, environment: NodeJS.ProcessEnv = {}) => {
  try {
    return { parsed: parse(text, environment) };
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint?: string };
    return { code, text: `${message} ${hint}` };
  }
};

describe('a connection string that is empty', () => {
  it.each(['', ' ', '\n'])('%j is refused, whatever database the environment names', (text) => {
    expect(() => readConnection(text, { ...nobody, PGHOST: 'other', PGDATABASE: 'other' })).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining('the connection is empty') }),
    );
  });

  it('is not postgres://, which takes all of it from the environment', () => {
    expect(readConnection('postgres://', { ...nobody, PGHOST: 'other' })).toMatchObject({ host: 'other' });
  });
});

describe('a connection string', () => {
  const plain = { host: 'h', port: 5433, dbname: 'd', username: 'u', password: 'p w', tls: 'verify-full' };

  it.each([
    'postgres://u:p%20w@h:5433/d',
    'postgresql://h:5433/d?user=u&password=p%20w',
    'postgres://u@/d?host=h&port=5433&password=p%20w',
    `host=h port=5433 dbname=d user=u password='p w'`,
    `  host = 'h'  port=5433 dbname=d user=u password=p\\ w application_name=x `,
  ])('may be written %s', (text) => {
    expect(parse(text)).toEqual(plain);
  });

  it.each([
    ['postgres://u@/d?host=/run/socket', '/run/socket'],
    ['postgres://%2Frun%2Fsocket/d?user=u', '/run/socket'],
    ['postgresql:///d?host=/run/socket&user=u', '/run/socket'],
    ['host=/run/socket dbname=d user=u', '/run/socket'],
    ['postgres://u@[::1]/d', '::1'],
    ['postgres://u@/d', 'localhost'],
  ])('%s leads to %s, without TLS', (text, host) => {
    expect(parse(text)).toEqual({ host, port: 5432, dbname: 'd', username: 'u', tls: 'disable' });
  });

  it('names several servers', () => {
    const servers = { host: 'a', port: 1, alternatives: [{ host: 'b', port: 2 }] };
    const role = { role: 'primary' };
    for (const text of [
      'postgres://a:1,b:2/d?target_session_attrs=read-write',
      'host=a,b port=1,2 dbname=d target_session_attrs=primary',
    ])
      expect(parse(text)).toMatchObject({ ...servers, ...role });
    expect(parse('host=a,b port=7')).toMatchObject({ port: 7, alternatives: [{ host: 'b', port: 7 }] });
    expect(refusal('host=a,b,c port=1,2')).toMatchObject({ code: 'USAGE' });
    expect(parse('postgres://localhost,127.0.0.1/d').tls).toBe('disable');
    expect(parse('postgres://localhost,far/d').tls).toBe('verify-full');
  });

  it('carries certificates and settings of the server', () => {
    expect(
      parse('postgres://h/d?sslmode=verify-ca&sslrootcert=/ca&sslcert=/c&sslkey=/k&options=-c%20geqo%3Doff'),
    ).toMatchObject({
      tls: 'verify-ca',
      caFile: '/ca',
      certFile: '/c',
      keyFile: '/k',
      options: '-c geqo=off',
    });
    // As libpq: whoever names authorities wants them asked.
    expect(parse('postgres://h/d?sslmode=require&sslrootcert=/ca').tls).toBe('verify-ca');
    expect(parse('postgres://h/d?sslrootcert=system')).not.toHaveProperty('caFile');
  });

  it('is completed from the environment and from a service, in the order of libpq', () => {
    const variables = { PGHOST: 'e', PGPORT: '9', PGDATABASE: 'x', PGPASSWORD: 's', PGSSLMODE: 'require' };
    expect(parse('postgres://', variables)).toEqual({
      host: 'e',
      port: 9,
      dbname: 'x',
      username: 'me',
      password: 's',
      tls: 'require',
    });
    expect(parse('postgres://h', { PGSSLMODE: 'verify-ca', PGSSLROOTCERT: '/r' })).toMatchObject({
      tls: 'verify-ca',
      caFile: '/r',
    });
    const file = path.join(home, 'services');
    writeFileSync(file, '# mine\n[other]\nhost=no\n[shop]\nhost=service-host\nport=7\nuser=s\n');
    const service = { PGSERVICEFILE: file, PGHOST: 'e', PGDATABASE: 'x' };
    const expected = { host: 'service-host', port: 8, username: 's', dbname: 'x' };
    expect(parse('service=shop port=8', service)).toMatchObject(expected);
    expect(parse('port=8', { ...service, PGSERVICE: 'shop' })).toMatchObject(expected);
    expect(refusal('service=none', service)).toMatchObject({ code: 'USAGE' });
  });

  it.each(['postgres://u:sesame#1@h/d', 'postgres://u:sesame?1@h/d', 'postgres://u:sesame:1@h/d'])(
    '%s is taken as libpq takes it',
    (text) => {
      expect(parse(text)).toMatchObject({ host: 'h', username: 'u', password: text.slice(13, -4) });
    },
  );

  it.each([
    'postgres://u:pass@sesame@h/d',
    'postgres://u:pass@sesame#x@h/d',
    'postgres://u:pass/sesame@h/d',
    'postgres://u:12/sesame@h/d',
    'postgres://u:12/sesame#x@h/d',
    'postgres://u:sesame/x@h/d',
    'postgres://u:12?sesame=/x@h/d',
    'postgres://u:%sesame@h/d',
    'http://u:sesame@h/d',
    'sesame',
    "password='sesame host=h",
    'host=h sesame',
    'host=h SESAME-x=1',
  ])('%s is refused, and nothing of it is repeated', (text) => {
    const { code, text: told } = refusal(text);
    expect(code).toBe('USAGE');
    expect(told).not.toMatch(/sesame/i);
  });

  it.each(['prefer', 'allow', 'nonsense'])('with sslmode %s is refused, from the environment too', (mode) => {
    expect(refusal(`postgres://h/d?sslmode=${mode}`)).toMatchObject({ code: 'USAGE' });
    expect(refusal('postgres://h/d', { PGSSLMODE: mode })).toMatchObject({ code: 'USAGE' });
  });
});
