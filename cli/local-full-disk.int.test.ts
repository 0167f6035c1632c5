import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  mountSmallDisk,
  type SmallDisk,
  whyNoSmallDisk,
} from '../core/engines/postgres/testing/small-disk.ts';
import { type Shop, startShop } from './testing/shop.ts';

const whyNot = whyNoSmallDisk();

describe.skipIf(whyNot !== undefined)(
  `a vault on a full disk${whyNot === undefined ? '' : `: ${whyNot}`}`,
  () => {
    let shop: Shop;
    let disk: SmallDisk;
    let vault: string;
    beforeAll(async () => {
      shop = await startShop();
      // Text that no compressor makes smaller than a megabyte: one backup fits, a second one does not.
      await shop.query(
        'shop',
        `create table noise as select i, md5(i::text) as v from generate_series(1, 60000) i; create table little as select 1 as a`,
      );
      const small = mountSmallDisk(2);
      if (small === undefined) throw new Error('a small disk could be mounted a moment ago');
      disk = small;
      vault = path.join(disk.directory, 'vault');
    });
    afterAll(async () => {
      await shop?.destroy();
      disk?.unmount();
    });

    const backup = () =>
      shop.cli(
        `local backup --engine postgres --url ${shop.url('shop')} --vault ${vault} --source shop-db --json`,
      );
    const points = async () =>
      (await shop.cli(`local list --vault ${vault} --source shop-db --json`))
        .json()
        .map((point: { recoveryPointId: string }) => point.recoveryPointId);
    const files = () => readdirSync(vault, { recursive: true, encoding: 'utf8' });
    const restored = async (name: string) => {
      await shop.query('postgres', `create database ${name} template template0`);
      const result = await shop.cli(
        `local restore latest --vault ${vault} --source shop-db --to ${shop.url(name)} --json`,
      );
      expect(result.code).toBe(0);
      const rows = `select count(*)::int, sum(hashtext(v))::text as sum, (select count(*)::int from orders) as orders from noise`;
      return (await shop.query(name, rows))[0];
    };

    it('shows no recovery point of the backup that had no room, keeps the one before, and takes the next', async () => {
      const first = await backup();
      expect(first.code).toBe(0);
      await shop.query('shop', "update noise set v = md5(v || 'changed')");

      const full = await backup();
      expect(full.code).toBe(1);
      expect(full.json().error).toMatchObject({
        code: 'VAULT_FULL',
        message: expect.stringContaining('no space left on device'),
        hint: expect.stringContaining('make room on the disk of the vault'),
      });
      expect(await points()).toEqual([first.json().recoveryPointId]);
      expect(files().filter((file) => file.endsWith('.upload'))).toEqual([]);
      expect((await shop.cli(`local verify latest --vault ${vault} --source shop-db --json`)).json().ok).toBe(
        true,
      );
      const before = await restored('before');

      disk.resize(20);
      const next = await backup();
      expect(next.code).toBe(0);
      expect(await points()).toEqual([next.json().recoveryPointId, first.json().recoveryPointId]);
      expect((await shop.cli(`local verify latest --vault ${vault} --source shop-db --json`)).json().ok).toBe(
        true,
      );
      const after = await restored('after');
      const now = await shop.query(
        'shop',
        'select count(*)::int, sum(hashtext(v))::text as sum, (select count(*)::int from orders) as orders from noise',
      );
      expect(after).toEqual(now[0]);
      expect(before).toMatchObject({ count: 60_000, orders: 2000 });
      expect(before?.['sum']).not.toBe(after?.['sum']);
    });

    it('gives the room of a backup that did not finish back', async () => {
      const unfinished = files().filter((file) => {
        const [, , point] = file.split(path.sep);
        return (
          file.endsWith('.enc') && !files().includes(path.join('v1', 'shop-db', point ?? '', 'manifest.json'))
        );
      });
      expect(unfinished).toEqual([]);
    });
  },
);
