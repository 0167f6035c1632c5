import { quoteLiteral } from '../../quote.ts';
import type { Model } from './model.ts';
import { ident } from './words.ts';

export function makeFunction(m: Model): void {
  const { dice } = m;
  const name = m.fresh();
  const inner = m.functions.length > 0 && dice.once(2) ? `${dice.pick(m.functions)}($1)` : '$1 * 2';
  const forms = [
    `LANGUAGE sql IMMUTABLE AS ${quoteLiteral(`SELECT ${inner}`)}`,
    `LANGUAGE sql IMMUTABLE RETURN ${inner}`,
    `LANGUAGE plpgsql IMMUTABLE AS ${quoteLiteral(`BEGIN /* ' "\\ ; */ RETURN ${inner}; END`)}`,
    `LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 7 SET work_mem TO '4MB' AS 'BEGIN RETURN $1; END'`,
  ];
  m.run(`CREATE FUNCTION ${name}(integer) RETURNS integer ${dice.pick(forms)}`);
  m.functions.push(name);
}

export function makeView(m: Model): void {
  const { dice } = m;
  const from = dice.pick([
    ...m.tables.map(({ sql }) => sql),
    ...m.views,
    ...m.matviews,
    '(VALUES (1, 2)) AS v (a, b)',
  ]);
  const name = m.fresh();
  if (dice.once(3)) {
    m.run(`CREATE MATERIALIZED VIEW ${name} AS SELECT * FROM ${from}${dice.once(3) ? ' WITH NO DATA' : ''}`);
    m.matviews.push(name);
    return;
  }
  const forms = [
    `CREATE VIEW ${name} AS SELECT * FROM ${from}`,
    `CREATE VIEW ${name} WITH (security_barrier) AS SELECT count(*) AS ${ident(dice.name())} FROM ${from}`,
    `CREATE RECURSIVE VIEW ${name} (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM ${name} WHERE n < 5`,
    ...m.functions
      .slice(-1)
      .map((f) => `CREATE VIEW ${name} AS SELECT ${f}(1) AS ${ident(dice.name())}, ${dice.text()} AS b`),
  ];
  m.run(dice.pick(forms));
  m.views.push(name);
}

export function makeTrigger(m: Model): void {
  const { dice } = m;
  if (m.tables.length === 0) return;
  const table = dice.pick(m.tables).sql;
  if (m.triggerFunctions.length === 0 || dice.once(3)) {
    const f = m.fresh();
    m.run(`CREATE FUNCTION ${f}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`);
    m.triggerFunctions.push(f);
  }
  const f = dice.pick(m.triggerFunctions);
  const name = ident(dice.name());
  m.run(
    dice.pick([
      `CREATE TRIGGER ${name} BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ${f}('it''s', 'a\\b')`,
      `CREATE TRIGGER ${name} AFTER TRUNCATE ON ${table} EXECUTE FUNCTION ${f}()`,
      `CREATE CONSTRAINT TRIGGER ${name} AFTER INSERT ON ${table} DEFERRABLE FOR EACH ROW EXECUTE FUNCTION ${f}()`,
      `CREATE RULE ${name} AS ON DELETE TO ${table} DO INSTEAD NOTHING`,
      `CREATE RULE ${name} AS ON INSERT TO ${table} WHERE false DO ALSO SELECT ${dice.text()}`,
    ]),
  );
  if (dice.once(3))
    m.run(
      `ALTER TABLE ${table} ${dice.pick(['DISABLE', 'ENABLE ALWAYS', 'ENABLE REPLICA'])} TRIGGER ${name}`,
    );
}

export function makeRights(m: Model): void {
  const { dice } = m;
  const role = ident(dice.pick(m.roles));
  const schema = ident(dice.pick(m.schemas));
  const table = m.tables.length === 0 ? undefined : dice.pick(m.tables);
  const forms = [
    `GRANT USAGE ON SCHEMA ${schema} TO ${role} WITH GRANT OPTION`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT SELECT ON TABLES TO ${role}`,
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`,
    `ALTER SCHEMA ${schema} OWNER TO ${role}`,
    ...m.functions
      .slice(-1)
      .flatMap((f) => [
        `REVOKE ALL ON FUNCTION ${f}(integer) FROM PUBLIC`,
        `ALTER FUNCTION ${f}(integer) OWNER TO ${role}`,
      ]),
    ...m.sequences.slice(-1).map((s) => `GRANT USAGE ON SEQUENCE ${s} TO ${role}`),
    ...m.views.slice(-1).map((v) => `GRANT SELECT ON ${v} TO ${role}`),
  ];
  if (table !== undefined)
    forms.push(
      `GRANT SELECT, INSERT ON ${table.sql} TO ${role}, PUBLIC`,
      `ALTER TABLE ${table.sql} OWNER TO ${role}`,
      `ALTER TABLE ${table.sql} ENABLE ROW LEVEL SECURITY`,
      `CREATE POLICY ${ident(dice.name())} ON ${table.sql} AS RESTRICTIVE FOR SELECT TO ${role} USING (current_user <> ${dice.text()})`,
      ...(table.columns.length > 0 ? [`GRANT UPDATE (${m.column(table)}) ON ${table.sql} TO ${role}`] : []),
    );
  m.run(dice.pick(forms));
}

export function makeComment(m: Model): void {
  const { dice } = m;
  const on = [
    `SCHEMA ${ident(dice.pick(m.schemas))}`,
    ...m.tables.slice(-3).map(({ sql }) => `TABLE ${sql}`),
    ...m.functions.slice(-2).map((f) => `FUNCTION ${f}(integer)`),
    ...m.views.slice(-1).map((v) => `VIEW ${v}`),
    ...m.tables
      .filter(({ columns }) => columns.length > 0)
      .slice(-2)
      .map((table) => `COLUMN ${table.sql}.${m.column(table)}`),
  ];
  m.run(`COMMENT ON ${dice.pick(on)} IS ${dice.text()}`);
}

/** One of the rarer kinds of object. */
export function makeOddity(m: Model): void {
  const { dice } = m;
  const name = m.fresh();
  const plain = ident(dice.name());
  const f = m.functions.at(-1);
  const forms: string[][] = [
    [`CREATE SEQUENCE ${name} AS smallint START 5 CYCLE`, `SELECT nextval(${quoteLiteral(name)})`],
    [`CREATE COLLATION ${name} (provider = libc, locale = 'C')`],
    [`CREATE TEXT SEARCH CONFIGURATION ${name} (COPY = simple)`],
    [`CREATE TEXT SEARCH DICTIONARY ${name} (TEMPLATE = simple, Accept = false)`],
    [`CREATE AGGREGATE ${name} (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0')`],
    [
      `CREATE PUBLICATION ${plain}${dice.once(3) ? ' FOR ALL TABLES' : ''}`,
      ...m.tables.slice(-1).map(({ sql }) => `ALTER PUBLICATION ${plain} ADD TABLE ${sql}`),
    ],
    [
      `CREATE FUNCTION ${name}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'`,
      `CREATE EVENT TRIGGER ${plain} ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION ${name}()`,
    ],
    [
      `CREATE FOREIGN DATA WRAPPER ${plain}`,
      `CREATE SERVER ${plain} FOREIGN DATA WRAPPER ${plain} OPTIONS (a ${dice.text()})`,
      `CREATE FOREIGN TABLE ${name} (a integer) SERVER ${plain}`,
      `CREATE USER MAPPING FOR PUBLIC SERVER ${plain}`,
    ],
    [`SELECT lo_from_bytea(${dice.number(50_000, 60_000)}, 'large')`],
    [
      `CREATE EXTENSION ${dice.pick(['hstore', 'citext', 'btree_gist', 'pg_trgm', 'ltree', 'cube'])} SCHEMA ${ident(dice.pick(m.schemas))} CASCADE`,
    ],
    [
      `CREATE ACCESS METHOD ${plain} TYPE TABLE HANDLER heap_tableam_handler`,
      `CREATE TABLE ${name} (a integer) USING ${plain}`,
      `INSERT INTO ${name} VALUES (1)`,
    ],
    [`CREATE PROCEDURE ${name}(INOUT a integer) LANGUAGE sql AS 'SELECT 1'`],
    [`CREATE CONVERSION ${name} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8`],
    [`CREATE TABLE ${name} OF ${m.types.at(-1)?.type}`],
  ];
  if (f !== undefined)
    forms.push(
      [`CREATE OPERATOR ${name.slice(0, name.indexOf('.'))}.!+ (RIGHTARG = integer, FUNCTION = ${f})`],
      [`CREATE CAST (smallint AS "char") WITH FUNCTION ${f}(integer)`],
      [`CREATE AGGREGATE ${name} (integer) (SFUNC = int4larger, STYPE = integer, FINALFUNC = ${f})`],
    );
  const chosen = dice.pick(forms);
  m.run(...chosen);
  if (chosen[0]?.startsWith('CREATE SEQUENCE')) m.sequences.push(name);
  if (chosen[0]?.startsWith('CREATE COLLATION')) m.collations.push(name);
}

/** What a source can be without anyone having noticed, and what no restore can make again. */
export function breakSomething(m: Model): void {
  const { dice } = m;
  const f = m.functions.length === 0 ? undefined : dice.pick(m.functions);
  const filled = m.tables.length === 0 ? undefined : dice.pick(m.tables);
  const forms: string[][] = [
    ...m.collations.map((c) => [
      `UPDATE pg_collation SET collcollate = 'xx_GONE', collctype = 'xx_GONE' WHERE oid = ${quoteLiteral(c)}::regcollation`,
    ]),
    ...m.matviews.slice(-1).map((v) => [`REFRESH MATERIALIZED VIEW ${v} WITH NO DATA`]),
  ];
  if (f !== undefined)
    forms.push(
      [
        `CREATE OR REPLACE FUNCTION ${f}(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT count(*) FROM not_there); END'`,
      ],
      [
        `CREATE OR REPLACE FUNCTION ${f}(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 > 3 THEN NULL ELSE 5 END'`,
      ],
      [
        `CREATE OR REPLACE FUNCTION ${f}(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''08001''; END'`,
      ],
      [
        `UPDATE pg_proc SET prolang = 13, probin = '$libdir/gone', prosrc = 'gone', prosqlbody = NULL WHERE oid = ${quoteLiteral(`${f}(integer)`)}::regprocedure`,
      ],
    );
  if (filled !== undefined) {
    m.run('SET session_replication_role = replica');
    m.fill(filled, 3, 2000);
    m.run('RESET session_replication_role');
  }
  if (forms.length > 0) m.run(...dice.pick(forms));
}
