import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { describeEngine } from '../engine.conformance.ts';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump } from './testing/compare.ts';
import { Harness, testEngine } from './testing/harness.ts';

/** Command lines of client programs that name the given database. */
export function programsOf(connection: PostgresConnection): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (
        /(psql|pg_dump|pg_restore)/.test(commandLine) &&
        commandLine.includes(`dbname='${connection.dbname}'`)
      )
        found.push(commandLine);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

describeEngine<PostgresConnection>('postgres', async () => {
  const harness = await Harness.start(18);
  return {
    engine: testEngine({ partBytes: 512 * 1024 }),
    async createSource() {
      const source = await harness.database('source');
      await harness.sql(
        source,
        `
        CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
        INSERT INTO account SELECT i, 1000 FROM generate_series(1, 20000) i;
        CREATE TABLE transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source int NOT NULL REFERENCES account, target int NOT NULL REFERENCES account, amount int NOT NULL);
        CREATE TABLE filler AS SELECT i, repeat(md5(i::text), 10) AS v FROM generate_series(1, 20000) i;
        CREATE TABLE tally (transfers bigint NOT NULL); INSERT INTO tally VALUES (0);
        SELECT lo_from_bytea(0, decode(repeat('ab', 50000), 'hex')) FROM generate_series(1, 5)`,
      );
      return source;
    },
    createTarget: () => harness.database('target'),
    startWriting(source) {
      let running = true;
      let written = 0;
      const done = (async () => {
        const client = new pg.Client({
          host: source.host,
          port: source.port,
          user: source.username,
          password: source.password,
          database: source.dbname,
        });
        await client.connect();
        while (running) {
          const [from, to] = [1 + Math.floor(Math.random() * 20000), 1 + Math.floor(Math.random() * 20000)];
          await client.query(`BEGIN; UPDATE account SET balance = balance - 7 WHERE id = ${from}; UPDATE account SET balance = balance + 7 WHERE id = ${to};
            INSERT INTO transfer (source, target, amount) VALUES (${from}, ${to}, 7); UPDATE tally SET transfers = transfers + 1; COMMIT`);
          written += 1;
        }
        await client.end();
      })();
      return {
        async stop() {
          running = false;
          await done;
          return written;
        },
      };
    },
    async holds(target) {
      const answer = await harness.sql(
        target,
        `SELECT (SELECT sum(balance) = 20000000 FROM account)
        AND (SELECT count(*) FROM transfer) = (SELECT transfers FROM tally) AND (SELECT transfers > 0 FROM tally)
        AND NOT EXISTS (SELECT FROM account a WHERE balance <> 1000 - coalesce((SELECT sum(amount) FROM transfer WHERE source = a.id), 0)
          + coalesce((SELECT sum(amount) FROM transfer WHERE target = a.id), 0))
        AND (SELECT last_value >= (SELECT max(id) FROM transfer) FROM transfer_id_seq)`,
      );
      return answer === 't';
    },
    digest: (connection) => normalizedDump(harness.bin, connection),
    async leftovers(connection) {
      // A server notices a client's death when it next writes to it.
      for (let tries = 0; ; tries += 1) {
        const sessions = await harness.sql(
          harness.server.connection,
          `SELECT application_name || ' ' || query FROM pg_stat_activity WHERE datname = '${connection.dbname}'`,
        );
        const left = [...programsOf(connection), ...sessions.split('\n').filter((line) => line !== '')];
        if (left.length === 0 || tries === 40) return left;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    stop: () => harness.stop(),
  };
});
