import type { Manifest } from '../../vault/manifest.ts';
import type { BackupOutcome } from '../engine.ts';
import { isHoldfastError } from '../../errors.ts';
import { findCanarySchema, readCanaries } from './canary.ts';
import type { OpenSource } from './open-source.ts';
import type { Session } from './session.ts';

export interface SourceFacts {
  readonly outcome: Pick<BackupOutcome, 'engine' | 'position' | 'tools' | 'billOfMaterials' | 'canary'>;
  /** What is no relation and still not in the backup. */
  readonly notCovered: Manifest['notCovered'];
}

/** What the manifest says of the source, besides its rows; read in the snapshot where a snapshot matters. */
export async function readFacts(source: OpenSource): Promise<SourceFacts> {
  const { snapshot, server, leader, watcher, tools } = source;
  const systemIdentifier = await readSystemIdentifier(watcher);
  const extensions = await leader.query<{ name: string; version: string; schema: string }>(
    `select e.extname as name, e.extversion as version, n.nspname as schema
     from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace order by 1`,
  );
  const invalid = await leader.query<{ name: string }>(
    `select conrelid::pg_catalog.regclass::text || ' ' || conname as name from pg_catalog.pg_constraint where contype = 'f' and not convalidated order by 1`,
  );
  const { foreignKeys } = await leader.one<{ foreignKeys: number }>(
    `select count(*)::int as "foreignKeys" from pg_catalog.pg_constraint where contype = 'f'`,
  );
  const database = await leader.one<{ name: string; encoding: string; collate: string; ctype: string }>(
    `select datname as name, pg_catalog.pg_encoding_to_char(encoding) as encoding, datcollate as collate, datctype as ctype
     from pg_catalog.pg_database where datname = current_database()`,
  );
  const canary = await readCanary(leader);
  return {
    outcome: {
      engine: { name: 'postgres', version: server.version },
      position: {
        lsn: snapshot.lsn,
        snapshot: snapshot.id,
        snapshotTime: snapshot.takenAt,
        ...(systemIdentifier === undefined ? {} : { systemIdentifier }),
        ...(snapshot.onStandby ? { standby: true } : {}),
      },
      tools: tools.versions,
      billOfMaterials: {
        database: { ...database },
        extensions: extensions.map((extension) => ({ ...extension })),
        foreignKeys,
        foreignKeysNotValidated: invalid.map((row) => row.name),
      },
      ...(canary === undefined ? {} : { canary }),
    },
    notCovered: await subscriptionsNotCovered(leader, server.isSuperuser),
  };
}

async function readSystemIdentifier(watcher: Session): Promise<string | undefined> {
  try {
    const row = await watcher.one<{ id: string }>(
      'select system_identifier::text as id from pg_catalog.pg_control_system()',
    );
    return row.id;
  } catch (error) {
    // Only pg_monitor and superusers may ask, and a backup does not need it.
    if (isHoldfastError(error, 'SOURCE_PRIVILEGES')) return undefined;
    throw error;
  }
}

/** The newest heartbeat row of the snapshot as it stands there: whether it is genuine is judged by whoever holds the key. */
async function readCanary(leader: Session): Promise<Manifest['canary']> {
  const schema = await findCanarySchema(leader);
  if (schema === undefined) return undefined;
  const [newest] = await readCanaries(leader, schema, 1);
  if (newest === undefined) return undefined;
  const { seq, writtenAt, signature } = newest;
  return { schema, seq, writtenAt: writtenAt.toISOString(), signature };
}

/** Subscriptions of the database that the backup user may not read. */
export async function subscriptionsNotCovered(
  session: Session,
  isSuperuser: boolean,
): Promise<Manifest['notCovered']> {
  if (isSuperuser) return [];
  // Anybody may see that there are some; what they connect to is for superusers only, and pg_dump leaves them out.
  const rows = await session.query<{ name: string }>(
    `select subname as name from pg_catalog.pg_subscription where subdbid = (select oid from pg_catalog.pg_database where datname = current_database()) order by 1`,
  );
  return rows.map((row) => ({
    name: `subscription ${row.name}`,
    reason: 'only a superuser may read subscriptions',
  }));
}
