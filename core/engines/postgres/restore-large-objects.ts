/** Statements that put large objects back; each works without superuser. The COPY among them takes the item's rows. */

const listTable = `CREATE TEMPORARY TABLE holdfast_list (id oid, owner text, grants text, comment text)`;
const copyList = `COPY pg_temp.holdfast_list FROM STDIN`;
/** The session is used again. */
const dropList = `DROP TABLE pg_temp.holdfast_list`;

/** Commits as it goes: a million objects in one transaction would need as many locks. */
function forEachObject(body: string): string {
  return `DO $holdfast$
    DECLARE entry record; done integer := 0;
    BEGIN
      FOR entry IN SELECT * FROM pg_temp.holdfast_list ORDER BY id LOOP
        ${body}
        done := done + 1;
        IF done % 1000 = 0 THEN COMMIT; END IF;
      END LOOP;
    END $holdfast$`;
}

/** What a role may not do, or a role that is missing, costs this one statement only. */
function orWarn(statement: string): string {
  return `BEGIN ${statement}
          EXCEPTION WHEN undefined_object OR insufficient_privilege THEN RAISE WARNING 'large object %: %', entry.id, SQLERRM; END;`;
}

/** Makes the objects, empty, under their numbers. */
export const createObjects: readonly string[] = [
  listTable,
  copyList,
  forEachObject('PERFORM pg_catalog.lo_create(entry.id);'),
  dropList,
];

/** Comments, owners and grants, which become a warning where a role is missing; after the pages, so that a foreign owner does not keep them out. */
export const describeObjects: readonly string[] = [
  listTable,
  copyList,
  forEachObject(`
        DECLARE g record;
        BEGIN
          ${orWarn(`IF entry.comment IS NOT NULL THEN EXECUTE format('COMMENT ON LARGE OBJECT %s IS %L', entry.id, entry.comment); END IF;`)}
          ${orWarn(`IF entry.owner <> CURRENT_USER THEN EXECUTE format('ALTER LARGE OBJECT %s OWNER TO %I', entry.id, entry.owner); END IF;`)}
          IF entry.grants IS NOT NULL THEN
            ${orWarn(`EXECUTE format('REVOKE ALL ON LARGE OBJECT %s FROM PUBLIC, %I', entry.id, entry.owner);`)}
            FOR g IN SELECT * FROM json_to_recordset(entry.grants::json) AS x(grantee text, privilege text, grantable boolean) LOOP
              ${orWarn(`EXECUTE format('GRANT %s ON LARGE OBJECT %s TO ', g.privilege, entry.id)
                || CASE WHEN g.grantee IS NULL THEN 'PUBLIC' ELSE format('%I', g.grantee) END
                || CASE WHEN g.grantable THEN ' WITH GRANT OPTION' ELSE '' END;`)}
            END LOOP;
          END IF;
        END;`),
  dropList,
];

/** Pages go in through a trigger that writes them and stores no row, so nothing is written twice. */
export function writePages(pageBytes: number): readonly string[] {
  return [
    `CREATE TEMPORARY TABLE holdfast_pages (id oid, page integer, data bytea)`,
    `CREATE FUNCTION pg_temp.holdfast_write() RETURNS trigger LANGUAGE plpgsql AS $holdfast$
      BEGIN PERFORM pg_catalog.lo_put(NEW.id, NEW.page::bigint * ${pageBytes}, NEW.data); RETURN NULL; END $holdfast$`,
    `CREATE TRIGGER holdfast_write BEFORE INSERT ON pg_temp.holdfast_pages FOR EACH ROW EXECUTE FUNCTION pg_temp.holdfast_write()`,
    `COPY pg_temp.holdfast_pages FROM STDIN`,
    `DROP FUNCTION pg_temp.holdfast_write() CASCADE`,
    `DROP TABLE pg_temp.holdfast_pages`,
  ];
}
