import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  CreateKeyCommand,
  DisableKeyCommand,
  GetPublicKeyCommand,
  KMSClient,
  ReplicateKeyCommand,
} from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgresEngine } from '../../core/engines/postgres/postgres-engine.ts';
import { openVault } from '../../core/vault/open-vault.ts';
import { facts, itemOf, noise } from '../../core/vault/testing/streams.ts';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import {
  postgresBinDirectory,
  startPostgres,
  type PostgresServer,
} from '../../sandbox/postgres/postgres-server.ts';

const root = path.resolve(import.meta.dirname, '../..');
const page = fs.readFileSync(path.join(root, 'docs/paper-restore.md'), 'utf8');
const run = promisify(execFile);
const source = 'shop-db';
let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-paper-'));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** The page's blocks that are meant for these readers, in the order of the page. */
function blocksFor(...readers: string[]): string {
  const blocks = [...page.matchAll(/^```sh (.*)\n([\s\S]*?)^```$/gm)];
  return blocks
    .filter(([, words = '']) => words.split(' ').some((word) => readers.includes(word)))
    .map(([, , text = '']) => text)
    .join('\n');
}

/** Does what the page says, in a folder of its own, with public tools only. */
async function follow(folder: string, script: string, environment: Record<string, string>): Promise<string> {
  const desk = path.join(directory, folder);
  fs.mkdirSync(desk, { recursive: true });
  const program = /^```python decrypt\.py\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
  fs.writeFileSync(path.join(desk, 'decrypt.py'), program);
  const tools = [
    path.join(root, '.cache/venv/bin'),
    postgresBinDirectory(18),
    '/usr/local/bin',
    '/usr/bin',
    '/bin',
  ];
  const { stdout } = await run('bash', ['-c', script], {
    cwd: desk,
    maxBuffer: 1 << 26,
    env: { PATH: tools.join(':'), HOME: desk, LANG: 'C.UTF-8', SOURCE: source, ...environment },
  });
  return stdout;
}

describe('docs/paper-restore.md, key file', () => {
  let server: PostgresServer;
  const vault = () => path.join(directory, 'vault');
  const keyFile = () => path.join(directory, 'vault.key');
  const query = async (dbname: string, sql: string) =>
    (
      await run(path.join(postgresBinDirectory(18), 'psql'), [server.url(dbname), '-XqAtc', sql])
    ).stdout.trim();

  const inBytes = "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0";

  beforeAll(async () => {
    server = await startPostgres({ major: 18 });
    await query('postgres', 'create database shop');
    await query(
      'shop',
      `create role clerk;
       create schema "Odd one";
       create table "Odd one"."T x" (id bigint generated always as identity primary key, "v w" text, d date, i interval,
         twice bigint generated always as (id * 2) stored);
       insert into "Odd one"."T x" ("v w", d, i) select repeat(E'tab\\t back\\\\ ümlaut\\n', n % 7), date '2026-01-31' - n, n * interval '1 hour'
         from generate_series(1, 5000) n;
       create table empty_one (a int, b money default 3.5);
       create table no_columns ();
       insert into no_columns default values;
       create table line (x bigint references "Odd one"."T x", price money);
       insert into line select id, id * 1.5 from "Odd one"."T x";
       create index on line (price);
       grant select on line to clerk;
       select lo_from_bytea(4711, decode(repeat('00ff7a', 5000), 'hex')), lo_create(4712);
       create sequence ticket start 7;
       select nextval('ticket')`,
    );
    await query('postgres', `create database bytes ${inBytes}`);
    await query(
      'bytes',
      `do $$ declare e9 text := convert_from('\\xe9', 'SQL_ASCII'); begin
         execute format('create table %I (%I serial, note text)', 'caf' || e9, e9);
         execute format('insert into %I (note) values (%L), (null)', 'caf' || e9, e9);
       end $$`,
    );
    fs.mkdirSync(vault());
    await backUp('shop', source);
    await backUp('bytes', 'bytes-db');
  });
  afterAll(() => server.destroy());

  const backUp = async (dbname: string, as: string) => {
    const engine = createPostgresEngine({ binDirectory: () => postgresBinDirectory(18) });
    const target = await openVault({
      url: vault(),
      keys: { kind: 'key-file', path: keyFile(), create: true },
    });
    const writer = await target.begin(as);
    const { startedAt, finishedAt, type } = facts;
    const outcome = await engine.backup({
      connection: server.connectionTo(dbname),
      connections: 2,
      onDdl: 'yield',
      signal: new AbortController().signal,
      store: (item) => writer.store(item),
      onProgress: () => undefined,
      log: { info: () => undefined, warn: () => undefined },
    });
    await writer.commit({ ...outcome, startedAt, finishedAt, type });
  };

  const dump = async (dbname: string) => {
    const args = ['--no-sync', '--restrict-key=same', server.url(dbname)];
    const { stdout } = await run(path.join(postgresBinDirectory(18), 'pg_dump'), args, {
      maxBuffer: 1 << 26,
      encoding: 'latin1',
    });
    return stdout;
  };
  const rebuild = (dbname: string, as: string) => {
    const { host, port, username, password } = server.connection;
    return follow(dbname, blocksFor('key-file', 'postgres'), {
      SOURCE: as,
      VAULT: vault(),
      KEY_FILE: keyFile(),
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: username,
      PGPASSWORD: password ?? '',
      PGDATABASE: dbname,
    });
  };

  it('rebuilds a PostgreSQL database that dumps the same', async () => {
    await query('postgres', 'create database rebuilt');
    const said = await rebuild('rebuilt', source);
    expect(said).toContain('the signature is genuine');
    expect(await query('rebuilt', 'select count(*), sum(twice) from "Odd one"."T x"')).toBe('5000|25005000');
    expect(await query('rebuilt', 'select md5(lo_get(4711)), lo_get(4712)')).toBe(
      await query('shop', 'select md5(lo_get(4711)), lo_get(4712)'),
    );
    expect(await query('rebuilt', "select nextval('ticket')")).toBe('8');
    await query('shop', "select nextval('ticket')");
    expect(await dump('rebuilt')).toBe(await dump('shop'));
  });

  it('rebuilds one whose names are no text in UTF-8', async () => {
    await query('postgres', `create database rebuilt_bytes ${inBytes}`);
    await rebuild('rebuilt_bytes', 'bytes-db');
    const rebuilt = await dump('rebuilt_bytes');
    expect(rebuilt).toContain('COPY public."café" ("é", note)');
    expect(rebuilt).toBe(await dump('bytes'));
  });

  it('stops at a flipped bit, at an edited manifest and at the wrong item', async () => {
    const script = blocksFor('key-file');
    const environment = { VAULT: path.join(directory, 'tampered'), KEY_FILE: keyFile() };
    fs.cpSync(vault(), environment.VAULT, { recursive: true });
    await follow('tampered', `${script}\nitem @globals > /dev/null`, environment);
    const swapped = `${script}\ndecrypt other < "$VAULT/$(jq -r '.items[0].key' "$MANIFEST")" > /dev/null`;
    await expect(follow('tampered', swapped, environment)).rejects.toMatchObject({
      stderr: expect.stringContaining("expected {'source': 'shop-db'"),
    });
    const point = path.join(
      environment.VAULT,
      'v1',
      source,
      fs.readdirSync(path.join(vault(), 'v1', source))[0] ?? '',
    );
    const place = path.join(point, 'manifest.json');
    const manifest = fs.readFileSync(place, 'utf8');
    fs.writeFileSync(place, manifest.replace('"type": "full"', '"type": "snapshot"'));
    await expect(follow('tampered', script, environment)).rejects.toMatchObject({
      stdout: expect.stringContaining('differ'),
    });
    fs.writeFileSync(place, manifest);
    const [name = ''] = fs.readdirSync(path.join(point, 'data'));
    const object = path.join(point, 'data', name);
    const bytes = fs.readFileSync(object);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    fs.writeFileSync(object, bytes);
    await expect(follow('tampered', script, environment)).rejects.toMatchObject({
      stdout: expect.stringContaining(`${name}: FAILED`),
    });
  });
});

describe('docs/paper-restore.md, KMS', () => {
  let aws: LocalAws;
  const large = noise(3 << 20);
  const environment: Record<string, string> = {};
  let keyArn: string;
  const breakGlass = generateKeyPairSync('rsa', {
    modulusLength: 3072,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'in the safe' },
  });
  let kms: KMSClient;

  beforeAll(async () => {
    aws = await startAws();
    Object.assign(process.env, aws.environment);
    kms = new KMSClient();
    const make = async (more: object) =>
      (await kms.send(new CreateKeyCommand({ MultiRegion: true, ...more }))).KeyMetadata?.Arn ?? '';
    keyArn = await make({});
    const signingKeyArn = await make({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    const { PublicKey: der } = await kms.send(new GetPublicKeyCommand({ KeyId: signingKeyArn }));
    const pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.from(der ?? []).toString('base64')}\n-----END PUBLIC KEY-----\n`;
    fs.writeFileSync(path.join(directory, 'signing.pub.pem'), pem);
    fs.writeFileSync(path.join(directory, 'break-glass.pem'), breakGlass.privateKey);
    // What `aws s3 cp --recursive` leaves: the objects of a bucket as files.
    const url = path.join(directory, 'kms-vault');
    const keys = { kind: 'kms', keyArn, signingKeyArn, breakGlassPublicKey: breakGlass.publicKey } as const;
    const vault = await openVault({ url, keys, segmentBytes: 1 << 20 });
    const writer = await vault.begin(source);
    await writer.store(itemOf('public."large öne"', large));
    await writer.store(itemOf('small', Buffer.from('hello')));
    await writer.commit(facts);
    Object.assign(environment, aws.environment, {
      VAULT: url,
      SIGNING_KEY: path.join(directory, 'signing.pub.pem'),
    });
  });
  afterAll(() => aws.stop());

  const printBoth = `item 'public."large öne"' > large.out; item small > small.out`;
  const printed = (folder: string) => [
    fs.readFileSync(path.join(directory, folder, 'large.out')).equals(large),
    fs.readFileSync(path.join(directory, folder, 'small.out'), 'utf8'),
  ];

  it("gives back the items with AWS's command line, in either Region", async () => {
    await kms.send(new ReplicateKeyCommand({ KeyId: keyArn, ReplicaRegion: 'us-west-2' }));
    const replica = keyArn.replace('us-east-1', 'us-west-2');
    for (const [folder, arn] of [
      ['kms-home', keyArn],
      ['kms-standby', replica],
    ] as const) {
      const said = await follow(folder, `${blocksFor('kms')}\n${printBoth}`, {
        ...environment,
        KEY_ARN: arn,
      });
      expect(said).toContain('Verified OK');
      expect(printed(folder)).toEqual([true, 'hello']);
    }
  });

  it('gives them back with the break-glass key when KMS refuses', async () => {
    await kms.send(new DisableKeyCommand({ KeyId: keyArn }));
    const refused = follow('kms-disabled', `${blocksFor('kms')}\n${printBoth}`, {
      ...environment,
      KEY_ARN: keyArn,
    });
    await expect(refused).rejects.toMatchObject({ code: expect.any(Number) });
    const script = `${blocksFor('break-glass')}\n${printBoth}`;
    await follow('break-glass', script, {
      ...environment,
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      BREAK_GLASS_KEY: path.join(directory, 'break-glass.pem'),
      BREAK_GLASS_PASSPHRASE: 'in the safe',
    });
    expect(printed('break-glass')).toEqual([true, 'hello']);
  });
});
