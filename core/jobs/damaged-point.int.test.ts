import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  postgresBinDirectory,
  type PostgresServer,
  startPostgres,
} from '../../sandbox/postgres/postgres-server.ts';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import type { PostgresConnection } from '../engines/postgres/connection.ts';
import { createPostgresEngine } from '../engines/postgres/postgres-engine.ts';
import { manifestKey } from '../vault/layout.ts';
import type { Manifest } from '../vault/manifest.ts';
import { openVault } from '../vault/open-vault.ts';
import type { Vault } from '../vault/vault.ts';
import { runBackup } from './run-backup.ts';
import { runRestore } from './run-restore.ts';
import { runSql as sql } from './testing.ts';

const source = 'shop-db';
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-damaged-'));
const folder = path.join(directory, 'vault');
const catalog = createMemoryCatalogStore();

let server: PostgresServer;
let vault: Vault;
let earlier: Manifest;
let manifest: Manifest;

const openWith = (key: string) =>
  openVault({ url: folder, keys: { kind: 'key-file', path: path.join(directory, key), create: true } });
const rowsOf = (connection: PostgresConnection) =>
  sql(
    connection,
    `select count(*)::int as n, md5(string_agg(o::text, '' order by id)) as digest from orders o`,
  );

beforeAll(async () => {
  server = await startPostgres();
  fs.mkdirSync(folder);
  vault = await openWith('key');
  await sql(
    server.connection,
    `create table customers as select n as id, 'c' || n as name from generate_series(1, 100) n;
     create table orders as select n as id, md5(n::text) as note from generate_series(1, 5000) n`,
  );
  await catalog.setControl({ activeRegion: 'us-east-1', epoch: 1 }, undefined);
  earlier = await backUp();
  manifest = await backUp();
});

afterAll(async () => {
  await server?.destroy();
  fs.rmSync(directory, { recursive: true, force: true });
});

async function contextOf(kind: 'backup' | 'restore', recoveryPointId: string) {
  const now = new Date();
  const jobId = ulid();
  await catalog.claim({
    jobId,
    kind,
    source,
    recoveryPointId,
    region: 'us-east-1',
    owner: jobId,
    epoch: 1,
    scheduledFor: now,
    now,
    leaseUntil: new Date(now.getTime() + 60_000),
    // Restores into one target exclude each other.
    ...(kind === 'restore' && { target: jobId }),
  });
  return {
    catalog,
    vault,
    engine: createPostgresEngine({ binDirectory: () => postgresBinDirectory(18) }),
    jobId,
    source,
    region: 'us-east-1',
    connections: 2,
    progressSeconds: 1,
    signal: new AbortController().signal,
    log: { info: () => undefined, warn: () => undefined },
    now: () => new Date(),
  };
}

async function backUp(): Promise<Manifest> {
  const context = await contextOf('backup', ulid());
  const { id } = await runBackup({ ...context, onDdl: 'hold', connect: async () => server.connection });
  return (await vault.open(source, id)).manifest;
}

const file = (key: string) => path.join(folder, key);
const keyOf = (name: string) => manifest.items.find((item) => item.name === name)?.key ?? '';

/** Changes a stored file and gives back how to undo it. */
function change(key: string, how: (bytes: Buffer) => Buffer): () => void {
  const before = fs.readFileSync(file(key));
  const write = (bytes: Buffer) => {
    fs.rmSync(file(key), { force: true });
    fs.writeFileSync(file(key), bytes, { mode: 0o600 });
  };
  const after = how(Buffer.from(before));
  expect(after.equals(before)).toBe(false);
  write(after);
  return () => write(before);
}

const orders = 'public.orders';
const flip = (bytes: Buffer) => {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
};
const edit = (from: string, to: string) => (bytes: Buffer) => Buffer.from(bytes.toString().replace(from, to));

const damages: readonly (readonly [what: string, code: string, damage: () => () => void])[] = [
  ['one bit is flipped', 'OBJECT_CORRUPT', () => change(keyOf(orders), flip)],
  [
    'an object is cut short',
    'OBJECT_TRUNCATED',
    () => change(keyOf(orders), (bytes) => bytes.subarray(0, -1)),
  ],
  [
    'an object is deleted',
    'OBJECT_NOT_FOUND',
    () => {
      const undo = change(keyOf(orders), flip);
      fs.rmSync(file(keyOf(orders)));
      return undo;
    },
  ],
  [
    'two objects are swapped',
    'OBJECT_',
    () => {
      const [a, b] = [keyOf(orders), keyOf('public.customers')];
      const other = fs.readFileSync(file(b));
      const undoB = change(b, () => fs.readFileSync(file(a)));
      const undoA = change(a, () => other);
      return () => (undoA(), undoB());
    },
  ],
  [
    'the manifest is edited',
    'MANIFEST_SIGNATURE',
    () => change(manifestKey(source, manifest.id), edit('"rows": 5000', '"rows": 4999')),
  ],
  [
    "an earlier point's manifest is in the place of this one's",
    'MANIFEST_SIGNATURE',
    () =>
      change(manifestKey(source, manifest.id), () => fs.readFileSync(file(manifestKey(source, earlier.id)))),
  ],
];

describe('a restore of a damaged point', () => {
  let target: PostgresConnection;
  let targets = 0;
  const newTarget = async () => {
    targets += 1;
    await sql(server.connection, `create database target_${targets} template template0`);
    target = server.connectionTo(`target_${targets}`);
  };
  const restore = async (from: Vault) => {
    const context = await contextOf('restore', manifest.id);
    const connect = async () => target;
    return runRestore({ ...context, vault: from, recoveryPointId: manifest.id, connect, assertions: [] });
  };
  const expectUntouched = async () =>
    expect(await sql(target, 'select relname from pg_class where oid >= 16384')).toEqual([]);
  const expectRestored = async () => {
    await restore(vault);
    expect(await rowsOf(target)).toEqual(await rowsOf(server.connection));
  };

  it.each(damages)('is refused before the target is touched when %s', async (_what, code, damage) => {
    await newTarget();
    const repair = damage();
    try {
      await expect(restore(vault)).rejects.toMatchObject({
        code: expect.stringMatching(new RegExp(`^${code}`)),
      });
      await expectUntouched();
    } finally {
      repair();
    }
    await expectRestored();
  });

  it('is refused before the target is touched when the key is another one', async () => {
    await newTarget();
    await expect(restore(await openWith('other-key'))).rejects.toMatchObject({ code: 'KEY_MISMATCH' });
    await expectUntouched();
    await expectRestored();
  });
});
