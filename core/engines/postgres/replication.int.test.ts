import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresConnection } from './connection.ts';
import { Harness } from './testing/harness.ts';

const slot = 'holdfast_test_slot';

describe('logical replication', () => {
  let harness: Harness;
  let publisher: PostgresConnection;
  let subscriber: PostgresConnection;
  beforeAll(async () => {
    harness = await Harness.start(18, { wal_level: 'logical' });
    publisher = await harness.database('publisher');
    subscriber = await harness.database('subscriber');
    await harness.sql(
      publisher,
      `CREATE TABLE t (id int PRIMARY KEY, v text, secret text); CREATE SCHEMA s; CREATE TABLE s.u (a int);
      INSERT INTO t SELECT i, 'v' || i, 's' FROM generate_series(1, 20) i;
      CREATE PUBLICATION chosen FOR TABLE t (id, v) WHERE (id <= 10) WITH (publish = 'insert, delete');
      CREATE PUBLICATION folder FOR TABLES IN SCHEMA s; CREATE PUBLICATION everything FOR ALL TABLES`,
    );
    await harness.sql(publisher, `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    await harness.sql(subscriber, 'CREATE TABLE t (id int PRIMARY KEY, v text)');
    const { port, username, password } = harness.server.connection;
    await harness.sql(
      subscriber,
      `CREATE SUBSCRIPTION live CONNECTION 'host=127.0.0.1 port=${port} user=${username} password=${password} dbname=${publisher.dbname}'
      PUBLICATION chosen WITH (create_slot = false, slot_name = '${slot}', binary = true)`,
    );
    for (let tries = 0; (await harness.sql(subscriber, 'SELECT count(*) FROM t')) !== '10'; tries += 1) {
      if (tries === 500) throw new Error('the subscription brings nothing');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  afterAll(() => harness?.stop());

  it('keeps publications as they are defined', async () => {
    const backup = await harness.backup(publisher);
    const target = await harness.database('target');
    expect((await harness.restore(target, backup)).warnings).toEqual([]);
    const definitions = `SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
      SELECT p.pubname || pubinsert || pubupdate || pubdelete || ' ' || t.tablename || ' ' || t.attnames::text || coalesce(rowfilter, '') AS line
        FROM pg_publication p JOIN pg_publication_tables t USING (pubname)) AS publications`;
    const before = await harness.sql(publisher, definitions);
    expect(before).toContain('chosentruefalsetrue t {id,v}(id <= 10)');
    expect(before.split('\n')).toHaveLength(4);
    expect(await harness.sql(target, definitions)).toBe(before);
  });

  it('keeps a subscription, but does not connect it', async () => {
    const said: unknown[] = [];
    const log = {
      info: (...line: unknown[]) => said.push(line),
      warn: (...line: unknown[]) => said.push(line),
    };
    const backup = await harness.backup(subscriber, { log });
    expect(backup.outcome.notCovered).toEqual([]);
    const target = await harness.database('target');
    const restored = await harness.restore(target, backup, { log });
    expect(restored.warnings).toEqual([
      expect.stringContaining('subscription live is disabled: see that nothing else uses its slot'),
    ]);
    const definition = `SELECT subname, subslotname, subpublications, subbinary, subconninfo FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    expect(await harness.sql(target, definition)).toBe(await harness.sql(subscriber, definition));
    expect(await harness.sql(target, `SELECT count(*), min(v) FROM t`)).toBe('10|v1');
    const states = `SELECT d.datname || ' ' || s.subenabled FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid ORDER BY s.subenabled`;
    expect(await harness.sql(target, states)).toBe(`${target.dbname} false\n${subscriber.dbname} true`);
    expect(await harness.sql(target, 'SELECT count(*) FROM pg_subscription_rel')).toBe('0');
    // The original goes on as before, alone at its slot.
    await harness.sql(publisher, "INSERT INTO t VALUES (0, 'after the restore', '')");
    for (let tries = 0; (await harness.sql(subscriber, 'SELECT count(*) FROM t')) !== '11'; tries += 1) {
      if (tries === 500) throw new Error('the subscription brings nothing any more');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await harness.sql(target, 'SELECT count(*) FROM t')).toBe('10');
    expect(JSON.stringify([backup.outcome, backup.store.items, restored, said])).not.toContain('password=');
  });

  it('names subscriptions that a user without superuser cannot back up', async () => {
    await harness.sql(subscriber, "CREATE ROLE reader LOGIN PASSWORD 'pw'; GRANT pg_read_all_data TO reader");
    const user = { ...subscriber, username: 'reader', password: 'pw' };
    const missing = { name: 'subscription live', reason: 'only a superuser may read subscriptions' };
    expect((await harness.engine().probe(user)).notCovered).toContainEqual(missing);
    const backup = await harness.backup(user);
    expect(backup.outcome.notCovered).toEqual([missing]);
    const target = await harness.database('target');
    expect((await harness.restore(target, backup)).warnings).toEqual([]);
    expect(await harness.sql(target, 'SELECT count(*) FROM t')).toBe('11');
    expect(
      await harness.sql(
        target,
        'SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
      ),
    ).toBe('0');
    // Nothing of the sort is said of a database that has none.
    const other = { ...publisher, username: 'reader', password: 'pw' };
    expect((await harness.backup(other)).outcome.notCovered).toEqual([]);
  });
});
