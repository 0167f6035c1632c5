import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVault } from '../core/vault/open-vault.ts';
import { backUp } from '../core/vault/testing/vault-fixture.ts';
import type { Manifest } from '../core/vault/manifest.ts';
import { runCli } from './testing/run-cli.ts';

let home: string;
let place: string[];
let older: Manifest;
let newer: Manifest;

beforeEach(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-list-'));
  const [folder, key] = [path.join(home, 'vault'), path.join(home, 'key')];
  fs.mkdirSync(folder);
  const vault = await openVault({ url: folder, keys: { kind: 'key-file', path: key, create: true } });
  older = await backUp(vault, 'shop-db');
  newer = await backUp(vault, 'shop-db');
  place = ['--vault', folder, '--key-file', key];
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

const list = () => runCli(['local', 'list', ...place, '--json'], { cwd: home });
const manifestFile = ({ source, id }: Manifest) => path.join(home, 'vault/v1', source, id, 'manifest.json');

function forge(manifest: Manifest): void {
  const file = manifestFile(manifest);
  const text = fs.readFileSync(file, 'utf8').replace('"type": "full"', '"type": "snapshot"');
  fs.rmSync(file);
  fs.writeFileSync(file, text);
}

describe('holdfast local list', () => {
  it('lists the newest first, and says on stderr which points are incomplete or left out', async () => {
    const whole = await list();
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    expect(whole.json().map((point: { recoveryPointId: string }) => point.recoveryPointId)).toEqual([
      newer.id,
      older.id,
    ]);
    fs.rmSync(path.join(home, 'vault', older.items[0]?.key ?? ''));
    forge(newer);
    const rest = await list();
    expect([rest.code, rest.json()]).toMatchObject([0, [{ recoveryPointId: older.id, source: 'shop-db' }]]);
    expect(rest.json()).toHaveLength(1);
    expect(rest.stderr).toContain(`shop-db: recovery point ${newer.id} was left out: MANIFEST_SIGNATURE`);
    expect(rest.stderr).toContain(`${older.id} is not complete: 1 object missing in the vault`);
  });
});

describe('holdfast local list of a place without recovery points', () => {
  it('calls a vault empty, and a folder of something else no vault', async () => {
    fs.rmSync(path.join(home, 'vault/v1'), { recursive: true });
    const empty = await list();
    expect([empty.code, empty.json()]).toEqual([0, []]);
    fs.mkdirSync(path.join(home, 'other'));
    place[1] = path.join(home, 'other');
    const bare = await list();
    expect([bare.code, bare.json()]).toEqual([0, []]);
    fs.writeFileSync(path.join(home, 'other/letter.txt'), '');
    const other = await list();
    expect([other.code, other.json().error]).toMatchObject([
      3,
      { code: 'VAULT_NOT_FOUND', message: expect.stringContaining(`there is no vault at `) },
    ]);
    expect(other.json().error.message).toContain(path.join(home, 'other'));
  });
});

describe('holdfast local verify', () => {
  it('takes the only source of the vault, and asks which when there are two', async () => {
    const verify = () => runCli(['local', 'verify', 'latest', ...place, '--json'], { cwd: home });
    expect([(await verify()).code, (await verify()).json()]).toEqual([0, { ok: true, problems: [] }]);
    const keys = { kind: 'key-file', path: path.join(home, 'key') } as const;
    await backUp(await openVault({ url: path.join(home, 'vault'), keys }), 'other-db');
    const asked = await verify();
    expect([asked.code, asked.json().error]).toMatchObject([
      2,
      { code: 'USAGE', message: '--source is missing; the vault has other-db, shop-db' },
    ]);
  });

  it('says what a restore of latest would do when the newest point has problems', async () => {
    forge(newer);
    const verify = () =>
      runCli(['local', 'verify', 'latest', ...place, '--source', 'shop-db', '--json'], { cwd: home });
    const forged = await verify();
    expect([forged.code, Object.keys(forged.json())]).toEqual([1, ['ok', 'problems']]);
    // In a folder damage is refused rather than passed over.
    expect(forged.stderr).toContain('a restore of latest finds nothing that it can take: MANIFEST_SIGNATURE');
    fs.rmSync(path.dirname(manifestFile(newer)), { recursive: true });
    const sound = await verify();
    expect([sound.code, sound.stderr]).toEqual([0, '']);
  });
});
