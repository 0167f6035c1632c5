import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { argumentLists, runCli } from './testing/run-cli.ts';
import { password, type Shop, startShop } from './testing/shop.ts';

let shop: Shop;
let home: string;
const query: Shop['query'] = (dbname, text) => shop.query(dbname, text);
const cli: Shop['cli'] = (args, options) => shop.cli(args, options);
const url = (dbname: string) => shop.url(dbname);

beforeAll(async () => {
  shop = await startShop();
  home = shop.home;
});
afterAll(() => shop?.destroy());

describe('holdfast local under abuse', () => {
  it('shows the password in no process list and in no output', async () => {
    const seen = new Map<number, Set<string>>();
    let watching = true;
    let watch: Promise<void> | undefined;
    const result = await runCli(
      [
        'local',
        'backup',
        '--engine',
        'postgres',
        '--url',
        url('shop'),
        '--vault',
        'vault',
        '--source',
        'shop-db',
        '--json',
      ],
      {
        cwd: home,
        onStart: (child) => {
          watch = (async () => {
            while (watching) {
              for (const [pid, list] of argumentLists(child.pid!))
                seen.set(pid, (seen.get(pid) ?? new Set()).add(list));
              await new Promise((resolve) => setTimeout(resolve, 5));
            }
          })();
          seen.set(child.pid!, new Set());
        },
      },
    );
    watching = false;
    await watch;
    expect(result.code).toBe(0);
    const [starter, ...children] = [...seen];
    const forms = [password, encodeURIComponent(password)];
    const leaks = (lists: Iterable<string>) =>
      [...lists].filter((list) => forms.some((form) => list.includes(form)));
    expect(children.flatMap(([, lists]) => leaks(lists))).toEqual([]);
    expect(children.some(([, lists]) => [...lists].some((list) => /pg_dump|psql/.test(list)))).toBe(true);
    // Node needs a moment before it can hide what the shell gave it.
    expect(leaks([[...starter![1]].at(-1)!])).toEqual([]);
    for (const form of forms) expect(result.stdout + result.stderr).not.toContain(form);
  });

  it('stops at Ctrl-C with 130 and leaves nothing visible', async () => {
    await query('shop', 'create table slow (v text)');
    const { host, port, username } = shop.server.connection;
    const holder = new pg.Client({ host, port, user: username, password, database: 'shop' });
    await holder.connect();
    await holder.query('begin; lock table slow in access exclusive mode');
    try {
      const result = await runCli(
        [
          'local',
          'backup',
          '--engine',
          'postgres',
          '--url',
          url('shop'),
          '--vault',
          'vault3',
          '--source',
          'shop-db',
          '--json',
        ],
        {
          cwd: home,
          onStart: (child) => {
            void (async () => {
              for (let n = 0; n < 500; n += 1) {
                const waiting = await query(
                  'shop',
                  "select from pg_locks where not granted and relation = 'slow'::regclass",
                );
                if (waiting.length > 0) break;
              }
              child.kill('SIGINT');
            })();
          },
        },
      );
      expect([result.code, result.json().error.code]).toEqual([130, 'JOB_ABORTED']);
      expect((await cli('local list --vault vault3 --json')).json()).toEqual([]);
    } finally {
      await holder.query('rollback');
      await holder.end();
      await query('shop', 'drop table slow');
    }
  });
});
