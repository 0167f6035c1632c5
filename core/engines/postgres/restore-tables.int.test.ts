import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackupOutcome } from '../engine.ts';
import type { TestStore } from '../testing.ts';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump, runClient } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

const fixture = `
  CREATE SCHEMA shop; CREATE ROLE shop_reader; CREATE TYPE shop.state AS ENUM ('new', 'paid'); CREATE DOMAIN shop.price AS numeric CHECK (VALUE >= 0);
  CREATE SEQUENCE shop.shared START 500;
  CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TABLE shop.customer (id serial PRIMARY KEY, name text);
  CREATE TABLE shop.orders (id int PRIMARY KEY DEFAULT nextval('shop.shared'), customer int REFERENCES shop.customer, state shop.state, total shop.price, ref int GENERATED ALWAYS AS IDENTITY);
  CREATE TABLE shop."order items" (order_id int REFERENCES shop.orders, n int);
  CREATE INDEX orders_state ON shop.orders (state); COMMENT ON INDEX shop.orders_state IS 'by state'; COMMENT ON TABLE shop.orders IS 'orders';
  CREATE TRIGGER note BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.note();
  ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON shop.orders USING (total > 0); GRANT SELECT ON shop.orders TO shop_reader;
  CREATE VIEW shop.v AS SELECT * FROM shop.orders;
  CREATE TABLE shop.log (at date NOT NULL, what text) PARTITION BY RANGE (at);
  CREATE TABLE shop.log_a PARTITION OF shop.log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
  CREATE TABLE shop.log_b PARTITION OF shop.log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE INDEX ON shop.log (at); INSERT INTO shop.log VALUES ('2024-05-05', 'a'), ('2025-05-05', 'b');
  INSERT INTO shop.customer (name) SELECT 'c' || i FROM generate_series(1, 10) i;
  INSERT INTO shop.orders (customer, state, total) SELECT i % 10 + 1, 'paid', i FROM generate_series(1, 100) i;
  INSERT INTO shop."order items" SELECT 500 + i % 100, i FROM generate_series(1, 300) i`;

describe('restore of single tables', () => {
  let harness: Harness;
  let source: PostgresConnection;
  let backup: { store: TestStore; outcome: BackupOutcome };
  beforeAll(async () => {
    harness = await Harness.start(18);
    source = await harness.database('source');
    await harness.sql(source, fixture);
    backup = await harness.backup(source);
  });
  afterAll(() => harness.stop());

  const definition = (connection: PostgresConnection, table: string) =>
    runClient(`${harness.bin}/pg_dump`, ['-t', table, '--no-sync'], connection).then((text) =>
      text.replaceAll(/^(--.*|\\.*restrict.*|)\n/gm, ''),
    );

  it('brings back the table, what it needs and what is its own, and reads no other rows', async () => {
    const target = await harness.database();
    backup.store.readNames.length = 0;
    const restored = await harness.restore(target, backup, { only: ['shop.orders'] });

    expect(restored.rows).toBe(100);
    expect(backup.store.readNames.toSorted()).toEqual(['@globals', '@schema', '@sequences', 'shop.orders']);
    expect(restored.warnings).toEqual([
      expect.stringMatching(/orders_customer_fkey.*shop\.customer is not in the target/),
    ]);
    const expected = (await definition(source, 'shop.orders')).replace(
      /ALTER TABLE ONLY shop.orders\n {4}ADD CONSTRAINT orders_customer_fkey[^;]*;\n/,
      '',
    );
    expect(await definition(target, 'shop.orders')).toBe(expected);
    expect(
      await harness.sql(
        target,
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')",
      ),
    ).toBe('orders orders_ref_seq shared');
    expect(await harness.sql(target, "SELECT nextval('shop.shared'), nextval('shop.orders_ref_seq')")).toBe(
      '600|101',
    );
  });

  it('keeps keys between tables that come together', async () => {
    const target = await harness.database();
    const restored = await harness.restore(target, backup, {
      only: ['shop.customer', 'shop.orders', 'shop.order items'],
    });
    expect(restored.warnings).toEqual([]);
    expect(
      await harness.sql(target, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"),
    ).toBe('2');
    for (const table of ['shop.customer', 'shop.orders', 'shop."order items"'])
      expect(await definition(target, table)).toBe(await definition(source, table));
  });

  it('restores into a database in use, and changes nothing that is there', async () => {
    const target = await harness.database();
    await harness.restore(target, backup);
    await harness.sql(
      target,
      `DROP VIEW shop.v; ALTER TABLE shop.orders RENAME TO orders_old; INSERT INTO shop.customer VALUES (4711, 'kept'); SELECT setval('shop.shared', 9000)`,
    );
    const restored = await harness
      .restore(target, backup, { only: ['shop.order items', 'shop.orders'] })
      .catch((error: unknown) => error);
    expect(restored).toMatchObject({
      code: 'TARGET_NOT_EMPTY',
      message: expect.stringContaining('order items'),
    });

    const before = await harness.sql(target, 'SELECT count(*) FROM shop.customer');
    const second = await harness.restore(target, backup, { only: ['shop.orders'] });
    expect(second.rows).toBe(100);
    expect(await harness.sql(target, 'SELECT count(*) FROM shop.customer')).toBe(before);
    expect(await harness.sql(target, 'SELECT count(*) FROM shop.orders')).toBe('100');
    expect(await harness.sql(target, 'SELECT last_value FROM shop.shared')).toBe('9000');
  });

  it('takes a partitioned table with its partitions, or one partition alone', async () => {
    const target = await harness.database();
    expect((await harness.restore(target, backup, { only: ['shop.log'] })).rows).toBe(2);
    expect(await definition(target, 'shop.log*')).toBe(await definition(source, 'shop.log*'));
    const other = await harness.database();
    expect((await harness.restore(other, backup, { only: ['shop.log_b'] })).rows).toBe(1);
    expect(await harness.sql(other, 'SELECT what FROM shop.log_b')).toBe('b');
  });

  it('refuses a table that the recovery point has not, before it touches the target', async () => {
    const target = await harness.database();
    const before = await normalizedDump(harness.bin, target);
    await expect(
      harness.restore(target, backup, { only: ['shop.orders', 'shop.nope'] }),
    ).rejects.toMatchObject({ code: 'ITEM_NOT_FOUND', message: expect.stringContaining('shop.nope') });
    expect(await normalizedDump(harness.bin, target)).toBe(before);
  });
});
