import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { startPostgres, type PostgresMajor } from './postgres-server.ts';

describe('startPostgres', () => {
  it.each([14, 15, 16, 17, 18] as const)(
    'starts a real server of major %i that answers SQL',
    async (major: PostgresMajor) => {
      const server = await startPostgres({ major });
      try {
        const client = new pg.Client({ connectionString: server.url() });
        await client.connect();
        const { rows } = await client.query<{ version: string }>('select current_setting($1) as version', [
          'server_version_num',
        ]);
        await client.end();
        expect(Math.floor(Number(rows[0]?.version) / 10000)).toBe(major);
      } finally {
        await server.destroy();
      }
    },
  );

  it('keeps committed data when it is killed and started again on the same directory', async () => {
    const first = await startPostgres({ settings: { fsync: 'on' } });
    const client = new pg.Client({ connectionString: first.url() });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('create table t as select 42 as answer');
    await first.kill();
    const second = await startPostgres({ dataDirectory: first.dataDirectory });
    try {
      const again = new pg.Client({ connectionString: second.url() });
      await again.connect();
      expect((await again.query('table t')).rows).toEqual([{ answer: 42 }]);
      await again.end();
    } finally {
      await second.destroy();
    }
  });
});
