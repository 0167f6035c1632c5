import { type Canary, type CanaryKey, signCanary, verifyCanary } from '../../canary/canary.ts';
import { HoldfastError } from '../../errors.ts';
import { canaryComment, canarySlots, findCanarySchema, readCanaries } from './canary.ts';
import type { PostgresConnection } from './connection.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';
import { scramVerifier } from './scram-verifier.ts';
import { Session } from './session.ts';

/** What a writer waits for its database. */
const answerSeconds = 15;

export interface CanaryPlace {
  /** An owner of the database: it makes a schema and a role. */
  readonly connection: PostgresConnection;
  readonly signal: AbortSignal;
}

export interface CanaryInstallation {
  readonly schema: string;
  /** The role that writes rows and may do nothing else. */
  readonly writer: string;
  /** Its password, or `iam` where RDS lets it in by token. */
  readonly login: { readonly password: string } | 'iam';
}

/**
 * Makes schema, table, role and grants, in one transaction; safe to repeat, which sets the login anew. Everybody may read the
 * table: it holds times and signatures, no secret, and a backup user that may not read a table cannot back up the database.
 * Rows are a ring, so nobody has to delete any.
 * @throws CANARY_CONFLICT when something else is called `canary` there; SOURCE_PRIVILEGES
 */
export async function installCanary(place: CanaryPlace, installation: CanaryInstallation): Promise<void> {
  const { schema, writer, login } = installation;
  const [inSchema, role] = [quoteIdentifier(schema), quoteIdentifier(writer)];
  const table = `${inSchema}.canary`;
  await inSession(place, async (session) => {
    await refuseOthers(session, table, schema);
    const { exists, database } = await session.one<{ exists: boolean; database: string }>(
      `select exists (select from pg_catalog.pg_roles where rolname = $1) as exists, pg_catalog.current_database() as database`,
      [writer],
    );
    const password = login === 'iam' ? 'NULL' : quoteLiteral(scramVerifier(login.password));
    await session.query('BEGIN');
    for (const statement of [
      `${exists ? 'ALTER' : 'CREATE'} ROLE ${role} LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT 4 PASSWORD ${password}`,
      ...(login === 'iam' ? [`GRANT rds_iam TO ${role}`] : []),
      `CREATE SCHEMA IF NOT EXISTS ${inSchema}`,
      `CREATE TABLE IF NOT EXISTS ${table} (slot int PRIMARY KEY CHECK (slot >= 0 AND slot < ${canarySlots}), seq bigint NOT NULL,
         written_at timestamptz(3) NOT NULL, signature text NOT NULL CHECK (pg_catalog.length(signature) < 200)) WITH (fillfactor = 50)`,
      `COMMENT ON TABLE ${table} IS '${canaryComment}: signed times that tell how far a restore of this database reaches'`,
      `REVOKE ALL ON ${table} FROM PUBLIC`,
      `GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${role}`,
      `GRANT USAGE ON SCHEMA ${inSchema} TO PUBLIC`,
      `GRANT SELECT ON ${table} TO PUBLIC`,
      `GRANT INSERT, UPDATE ON ${table} TO ${role}`,
    ])
      await session.query(statement);
    await session.query('COMMIT');
  });
}

/** `canary` of somebody else, or of another shape, is not touched. */
async function refuseOthers(session: Session, table: string, schema: string): Promise<void> {
  const [found] = await session.query<{ ours: boolean }>(
    `select coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') like '${canaryComment}%' and c.relkind = 'r' as ours
     from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1)`,
    [table],
  );
  const other = await findCanarySchema(session);
  if (found?.ours === false || (other !== undefined && found === undefined)) {
    const what = found === undefined ? `${other}.canary` : `${schema}.canary`;
    throw new HoldfastError(
      'CANARY_CONFLICT',
      `${what} is in the database already${found === undefined ? ', and one canary table is enough' : ' and was not made by holdfast canary install'}`,
      {
        hint:
          found === undefined
            ? `install into that schema, or remove it first: holdfast canary remove`
            : 'name another schema with --schema, or remove that table by hand',
      },
    );
  }
}

export interface CanaryRemoval {
  readonly table: boolean;
  /** Kept where another database of the server names it: one restored beside, or one with a canary of its own. */
  readonly role: 'none' | 'dropped' | 'kept';
}

/** Says what there was and is no more. @throws SOURCE_PRIVILEGES */
export async function removeCanary(place: CanaryPlace, writer: string): Promise<CanaryRemoval> {
  return inSession(place, async (session) => {
    const schema = await findCanarySchema(session);
    const role = quoteIdentifier(writer);
    const { exists, elsewhere, database } = await session.one<{
      exists: boolean;
      elsewhere: boolean;
      database: string;
    }>(
      `select pg_catalog.current_database() as database, exists (select from pg_catalog.pg_roles where rolname = $1) as exists,
         exists (select from pg_catalog.pg_shdepend s join pg_catalog.pg_roles r on r.oid = s.refobjid and r.rolname = $1
           where s.refclassid = 'pg_catalog.pg_authid'::regclass
             and case when s.dbid = 0 then s.classid <> 'pg_catalog.pg_database'::regclass or s.objid <> here.oid else s.dbid <> here.oid end) as elsewhere
       from pg_catalog.pg_database here where here.datname = pg_catalog.current_database()`,
      [writer],
    );
    await session.query('BEGIN');
    if (schema !== undefined) {
      await session.query(`DROP TABLE ${quoteIdentifier(schema)}.canary`);
      const { others } = await session.one<{ others: number }>(
        `select count(*)::int as others from pg_catalog.pg_depend d
         where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = pg_catalog.to_regnamespace($1)`,
        [quoteIdentifier(schema)],
      );
      // Somebody may keep other things there.
      if (others === 0) await session.query(`DROP SCHEMA ${quoteIdentifier(schema)}`);
    }
    if (exists) {
      await session.query(`REVOKE ALL ON DATABASE ${quoteIdentifier(database)} FROM ${role}`);
      if (!elsewhere) await session.query(`DROP ROLE ${role}`);
    }
    await session.query('COMMIT');
    return { table: schema !== undefined, role: !exists ? 'none' : elsewhere ? 'kept' : 'dropped' };
  });
}

export interface CanaryStatus {
  readonly schema: string;
  /** The newest row; its verdict only where a key was given. */
  readonly newest?: Canary & { readonly verdict?: ReturnType<typeof verifyCanary> };
  /** Newest row with a valid signature: what a restore of this moment would measure by. */
  readonly newestGenuine?: Canary;
}

/** @throws CANARY_NOT_FOUND */
export async function readCanaryStatus(place: CanaryPlace, key?: CanaryKey): Promise<CanaryStatus> {
  return inSession(place, async (session) => {
    const schema = await requireSchema(session);
    const rows = await readCanaries(session, schema);
    const [newest] = rows;
    const genuine = key && rows.find((row) => verifyCanary(key, row) === 'valid');
    return {
      schema,
      ...(newest !== undefined && {
        newest: { ...newest, ...(key && { verdict: verifyCanary(key, newest) }) },
      }),
      ...(genuine !== undefined && { newestGenuine: genuine }),
    };
  });
}

/** A connection that writes rows until it is closed. */
export interface CanaryWriter {
  /** @throws SOURCE_UNREACHABLE, SOURCE_PRIVILEGES */
  write(now: Date): Promise<Canary>;
  close(): Promise<void>;
}

/** @throws CANARY_NOT_FOUND when the table is not there; SOURCE_UNREACHABLE, SOURCE_CREDENTIALS */
export async function openCanaryWriter(place: CanaryPlace, key: CanaryKey): Promise<CanaryWriter> {
  const session = await connect(place);
  try {
    const schema = await requireSchema(session);
    return {
      write: (now) => writeCanary(session, { schema, key, now }),
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function writeCanary(
  session: Session,
  { schema, key, now }: { readonly schema: string; readonly key: CanaryKey; readonly now: Date },
): Promise<Canary> {
  // After rows that nobody with a key wrote counting begins where it was: a number near the end of bigint stops no writer.
  const rows = await readCanaries(session, schema);
  const last = rows.find((row) => verifyCanary(key, row) !== 'invalid');
  const seq = (last?.seq ?? 0) + 1;
  const signature = signCanary(key, { seq, writtenAt: now });
  await session.query(
    `INSERT INTO ${quoteIdentifier(schema)}.canary (slot, seq, written_at, signature) VALUES ($1, $2, $3, $4)
     ON CONFLICT (slot) DO UPDATE SET seq = EXCLUDED.seq, written_at = EXCLUDED.written_at, signature = EXCLUDED.signature`,
    [seq % canarySlots, seq, now.toISOString(), signature],
  );
  return { seq, writtenAt: now, signature };
}

async function requireSchema(session: Session): Promise<string> {
  const schema = await findCanarySchema(session);
  if (schema !== undefined) return schema;
  throw new HoldfastError('CANARY_NOT_FOUND', 'the database has no canary table', {
    hint: 'holdfast canary install SOURCE makes it; without a deployment: holdfast local canary install',
  });
}

function connect({ connection, signal }: CanaryPlace): Promise<Session> {
  return Session.connect(connection, { signal, answerSeconds, applicationName: 'holdfast canary' });
}

async function inSession<T>(place: CanaryPlace, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await connect(place);
  try {
    return await work(session);
  } finally {
    // What was begun and not committed goes with the connection.
    await session.close();
  }
}
