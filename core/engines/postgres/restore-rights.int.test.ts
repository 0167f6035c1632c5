import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PostgresMajor } from '../../../sandbox/postgres/postgres-server.ts';
import type { RestoreFault } from '../engine.ts';
import type { PostgresConnection } from './connection.ts';
import { normalizedDump } from './testing/compare.ts';
import { Harness } from './testing/harness.ts';

const roles = `
  CREATE ROLE app_owner LOGIN CREATEDB PASSWORD 'x'; CREATE ROLE app_admin SUPERUSER; CREATE ROLE app_reader; CREATE ROLE already_there;
  GRANT app_reader TO app_owner WITH ADMIN OPTION; ALTER ROLE app_reader SET work_mem = '7MB'; COMMENT ON ROLE app_reader IS 'reads'`;

const objects = `
  GRANT CREATE ON SCHEMA public TO app_owner; CREATE SCHEMA app AUTHORIZATION app_owner; SET ROLE app_owner;
  CREATE TABLE app.t (id serial PRIMARY KEY, v text NOT NULL UNIQUE); INSERT INTO app.t (v) SELECT 'v' || i FROM generate_series(1, 1000) i;
  CREATE TABLE app.parts (t int REFERENCES app.t, k int) PARTITION BY LIST (k); CREATE TABLE app.part_1 PARTITION OF app.parts FOR VALUES IN (1);
  INSERT INTO app.parts VALUES (5, 1); GRANT SELECT ON app.t TO app_reader, already_there;
  ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO app_reader;
  CREATE TABLE guarded (id int PRIMARY KEY, who text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; INSERT INTO guarded VALUES (1, 'a'), (2, 'b');
  ALTER TABLE guarded FORCE ROW LEVEL SECURITY; CREATE POLICY own ON guarded USING (who = current_user); RESET ROLE;
  CREATE TABLE theirs (id int PRIMARY KEY, v text); INSERT INTO theirs VALUES (1, 'x'); CREATE INDEX ON theirs (v); ALTER TABLE theirs OWNER TO already_there;
  CREATE SEQUENCE counting; SELECT setval('counting', 77); ALTER SEQUENCE counting OWNER TO already_there;
  CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM theirs; ALTER MATERIALIZED VIEW summary OWNER TO already_there;
  CREATE TABLE admins (id int PRIMARY KEY); INSERT INTO admins VALUES (1); ALTER TABLE admins OWNER TO app_admin;
  CREATE EXTENSION hstore; CREATE TABLE uses_hstore (h hstore); INSERT INTO uses_hstore VALUES ('a=>1');
  CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE far (line text) SERVER files OPTIONS (filename '/nonexistent');
  CREATE FUNCTION not_yours() RETURNS int LANGUAGE internal AS 'pg_backend_pid';
  CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION on_ddl();
  CREATE PUBLICATION everything FOR ALL TABLES;
  CREATE SUBSCRIPTION feed CONNECTION 'host=nowhere password=geheim' PUBLICATION x WITH (connect = false);
  SELECT lo_from_bytea(11, 'eleven'), lo_from_bytea(12, 'twelve'); ALTER LARGE OBJECT 12 OWNER TO already_there;
  COMMENT ON LARGE OBJECT 12 IS 'a comment'; GRANT SELECT ON LARGE OBJECT 12 TO app_reader`;

/** A server as a managed service runs it: the superuser is not ours, the master user may make databases and roles. */
async function managed(major: PostgresMajor): Promise<Harness> {
  const harness = await Harness.start(major);
  const { connection } = harness.server;
  await harness.sql(connection, `CREATE ROLE already_there; CREATE ROLE stranger LOGIN PASSWORD 's'`);
  await harness.sql(connection, `CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD 'm'`);
  return harness;
}

describe('a restore by a user who is no superuser', () => {
  for (const major of [14, 18] as const) {
    it(`brings all data and names everything that is not as it was, on version ${major}`, async () => {
      const origin = await Harness.start(major);
      const service = await managed(major);
      try {
        const source = await origin.database('source');
        await origin.sql(source, roles);
        await origin.sql(source, objects);
        for (const statement of ["SET work_mem = '5MB'", 'SET log_min_duration_statement = 100'])
          await origin.sql(source, `ALTER DATABASE "${source.dbname}" ${statement}`);
        const backup = await origin.backup(source);

        const { server } = service;
        const master = { username: 'master', password: 'm' };
        await service.sql(
          server.connectionTo('postgres', master),
          'CREATE DATABASE restored TEMPLATE template0',
        );
        const said: unknown[] = [];
        const log = {
          info: (...line: unknown[]) => said.push(line),
          warn: (...line: unknown[]) => said.push(line),
        };
        const { warnings, faults } = await service.restore(server.connectionTo('restored', master), backup, {
          log,
        });

        const restored = server.connectionTo('restored');
        const before = (await normalizedDump(origin.bin, source)).split('\n');
        const after = (await normalizedDump(service.bin, restored)).split('\n');
        const lost = before.filter((line) => !after.includes(line));
        const unnamed = lost.filter((line) => !isNamed(line, warnings, faults));
        expect(unnamed).toEqual([]);
        expect(lost.length).toBeGreaterThan(15);
        // Nothing else is there instead: everybody's things are the master's where they could not be given away.
        const others = after.filter((line) => !before.includes(line) && !line.endsWith(' OWNER TO master;'));
        // Its owner before keeps the rights that owning it gave.
        expect(others).toEqual(['GRANT ALL ON LARGE OBJECT 12 TO already_there;']);

        const counts = `SELECT (SELECT count(*) FROM app.t), (SELECT t FROM app.parts), (SELECT count(*) FROM guarded), (SELECT n FROM summary), (SELECT h -> 'a' FROM uses_hstore), nextval('counting'),
          convert_from(lo_get(11), 'UTF8') || convert_from(lo_get(12), 'UTF8'), obj_description(12, 'pg_largeobject')`;
        expect(await service.sql(restored, counts)).toBe('1000|5|2|1|1|78|eleventwelve|a comment');
        expect(warnings).toEqual(
          expect.arrayContaining([
            'role app_owner was created without a password: set one before it can log in',
            expect.stringContaining('role app_admin lacks SUPERUSER'),
            expect.stringMatching(/^ALTER TABLE public\.theirs OWNER TO already_there: must be/),
            expect.stringMatching(/^ALTER DATABASE "restored" SET "log_min_duration_statement"/),
          ]),
        );
        expect(faults.map(({ object }) => object).toSorted()).toEqual([
          'COMMENT EXTENSION file_fdw',
          'EVENT TRIGGER watch',
          'EXTENSION file_fdw',
          'FOREIGN TABLE public.far',
          'FUNCTION public.not_yours()',
          'PUBLICATION everything',
          'SERVER files',
          'SUBSCRIPTION feed',
        ]);
        expect(faults).toContainEqual({
          object: 'EXTENSION file_fdw',
          message: 'permission denied to create extension "file_fdw"',
          sqlState: '42501',
        });
        const role = `SELECT rolcreatedb, rolcanlogin, (SELECT rolconfig FROM pg_roles WHERE rolname = 'app_reader'), pg_has_role('app_owner', 'app_reader', 'USAGE'),
          (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = 'restored') AND setrole = 0) FROM pg_roles WHERE rolname = 'app_owner'`;
        expect(await service.sql(restored, role)).toBe('t|t|{work_mem=7MB}|t|{work_mem=5MB}');
        expect(JSON.stringify([warnings, faults, said])).not.toContain('geheim');
      } finally {
        await origin.stop();
        await service.stop();
      }
    });
  }
});

/** Whether a warning leads with the command of a dump, or names its large object, or its object is a fault. */
function isNamed(line: string, warnings: readonly string[], faults: readonly RestoreFault[]): boolean {
  const object = /LARGE OBJECT (\d+)/.exec(line)?.[1];
  if (object !== undefined) return warnings.some((warning) => warning.startsWith(`large object ${object}: `));
  const schema = /^GRANT .* ON SCHEMA (\S+) /.exec(line)?.[1];
  if (schema !== undefined) return warnings.includes(`no privileges were granted for "${schema}"`);
  // Lines within a command that did not come through.
  if (!/^[A-Z]/.test(line) || /^(?:SERVER|OPTIONS) /.test(line)) return true;
  const command = line.replace(/ CONNECTION .*/, '').replace(/[\s;(]+$/, '');
  const names = faults.map(({ object }) => object.split(' ').at(-1) ?? '');
  return (
    warnings.some((warning) => warning.startsWith(`${command}: `)) ||
    (/^(?:CREATE|ALTER|COMMENT) /.test(line) && names.some((name) => line.includes(` ${name}`)))
  );
}

describe('a restore that cannot bring all data', () => {
  let origin: Harness;
  let service: Harness;
  let number = 0;
  beforeAll(async () => {
    origin = await Harness.start(18);
    service = await managed(18);
  });
  afterAll(async () => {
    await origin?.stop();
    await service?.stop();
  });
  const target = async (owner: string): Promise<PostgresConnection> => {
    const name = `target_${(number += 1)}`;
    await service.sql(service.server.connection, `CREATE DATABASE ${name} OWNER ${owner} TEMPLATE template0`);
    return service.server.connectionTo(name);
  };

  it('fails where a table needs an extension that the user may not make, and says so', async () => {
    const source = await origin.database('source');
    await origin.sql(
      source,
      'CREATE EXTENSION earthdistance CASCADE; CREATE TABLE places (id int, at earth); INSERT INTO places VALUES (1, ll_to_earth(1, 2))',
    );
    const backup = await origin.backup(source);
    const to = await target('master');
    await expect(service.restore({ ...to, username: 'master', password: 'm' }, backup)).rejects.toMatchObject(
      {
        code: 'ROWS_NOT_RESTORED',
        message: expect.stringMatching(
          /public\.places \(1 row\): type "public\.earth" does not exist; the first fault was EXTENSION earthdistance: permission denied/,
        ),
      },
    );
    expect(await service.sql(to, "SELECT to_regclass('places') IS NULL")).toBe('t');
  });

  it('fails where the user may not make tables, and says as whom to restore', async () => {
    const source = await origin.database('source');
    await origin.sql(
      source,
      'CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE SCHEMA s; CREATE TABLE s.u (a int)',
    );
    const backup = await origin.backup(source);
    const to = await target('master');
    await expect(
      service.restore({ ...to, username: 'stranger', password: 's' }, backup),
    ).rejects.toMatchObject({
      code: 'ROWS_NOT_RESTORED',
      message: expect.stringMatching(/public\.t \(1 row\): permission denied for schema public/),
      hint: expect.stringContaining('restore as the owner of the target database'),
    });
    expect(await service.sql(to, 'SELECT count(*) FROM pg_class WHERE oid >= 16384')).toBe('0');
  });
});

describe('roles that are named like those of a managed service', () => {
  const owned = (role: string) =>
    `CREATE ROLE ${role} LOGIN; CREATE TABLE t (id int); ALTER TABLE t OWNER TO ${role}; CREATE TABLE u (id int); GRANT SELECT ON u TO ${role};
     ALTER TABLE u ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON u TO ${role} USING (true)`;
  const factsSql = `SELECT (SELECT relowner::regrole::text FROM pg_class WHERE relname = 't'), (SELECT relacl::text FROM pg_class WHERE relname = 'u'), (SELECT count(*) FROM pg_policy)`;
  let origin: Harness;
  let other: Harness;
  beforeAll(async () => {
    [origin, other] = await Promise.all([Harness.start(18), Harness.start(18)]);
  });
  afterAll(() => Promise.all([origin?.stop(), other?.stop()]));

  it("are made on one's own server, with all that they own and may", async () => {
    for (const role of ['rds_reader', 'azure_app', 'cloudsql_ro', 'alloydb_x']) {
      const source = await origin.database('source');
      await origin.sql(source, owned(role));
      const target = await other.database('target');
      const { warnings, faults } = await other.restore(target, await origin.backup(source));
      expect(faults).toEqual([]);
      expect(warnings).toContain(`role ${role} was created without a password: set one before it can log in`);
      expect(await other.sql(target, factsSql)).toBe(await origin.sql(source, factsSql));
      expect(await other.sql(target, factsSql)).toContain(role);
    }
  });

  it('are left out and named where source or target is that service', async () => {
    const source = await origin.database('source');
    await origin.sql(source, `CREATE ROLE rds_superuser; ${owned('rdsadmin')}`);
    const target = await other.database('target');
    const { warnings, faults } = await other.restore(target, await origin.backup(source));
    expect(warnings.filter((warning) => warning.includes('was left out'))).toEqual([
      expect.stringMatching(/^role rds_superuser was left out: Amazon RDS/),
      expect.stringMatching(/^role rdsadmin was left out: Amazon RDS/),
    ]);
    expect(faults.map(({ object }) => object)).toEqual(['POLICY public.u p']);
    expect(
      await other.sql(target, "SELECT count(*) FROM pg_roles WHERE rolname ~ '^rds(admin|_superuser)'"),
    ).toBe('0');
  });
});

describe('a backup by a user who may only read', () => {
  it('holds all that a superuser would back up, and is refused where row security hides rows', async () => {
    const harness = await Harness.start(18);
    try {
      const source = await harness.database('source');
      await harness.sql(
        source,
        `CREATE ROLE someone; CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT pg_read_all_data TO reader;
        CREATE SCHEMA closed AUTHORIZATION someone; CREATE TABLE closed.t AS SELECT i, md5(i::text) AS v FROM generate_series(1, 5000) i;
        ALTER TABLE closed.t OWNER TO someone; REVOKE ALL ON closed.t FROM PUBLIC; CREATE SEQUENCE closed.s START 5; SELECT nextval('closed.s');
        CREATE MATERIALIZED VIEW closed.m AS SELECT count(*) FROM closed.t; SELECT lo_from_bytea(99, 'large');
        CREATE TABLE secret (who name, body text); INSERT INTO secret VALUES ('a', 'b'); CREATE EXTENSION hstore`,
      );
      const reader = { ...source, username: 'reader', password: 'r' };
      const backup = await harness.backup(reader);
      expect(backup.outcome.notCovered).toEqual([]);
      const restored = await harness.database('target');
      expect((await harness.restore(restored, backup)).warnings).toEqual([]);
      expect(await normalizedDump(harness.bin, restored)).toBe(await normalizedDump(harness.bin, source));

      await harness.sql(source, 'ALTER TABLE secret ENABLE ROW LEVEL SECURITY');
      const refusal = {
        code: 'SOURCE_PRIVILEGES',
        message: 'row security hides rows of public.secret from the backup user',
        hint: expect.stringContaining('BYPASSRLS'),
      };
      await expect(harness.backup(reader)).rejects.toMatchObject(refusal);
      await harness.sql(source, 'ALTER ROLE reader BYPASSRLS');
      const whole = await harness.backup(reader);
      expect(whole.store.items.find((item) => item.name === 'public.secret')?.rows).toBe(1);
    } finally {
      await harness.stop();
    }
  });
});
