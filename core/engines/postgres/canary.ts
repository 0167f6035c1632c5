import type { Canary } from '../../canary/canary.ts';
import { quoteIdentifier } from './quote.ts';
import type { Session } from './session.ts';

/** Tells the table of canaries from one that only has its name; whatever schema it is in. */
export const canaryComment = 'Holdfast canary v1';

/** Rows of the ring: a day of one a minute. More are never kept, so the table needs no deletes. */
export const canarySlots = 1440;

/** The schema of the canary table, `undefined` when there is none. */
export async function findCanarySchema(session: Session): Promise<string | undefined> {
  const [found] = await session.query<{ schema: string }>(
    `select n.nspname as schema from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relname = 'canary' and c.relkind = 'r'
       and pg_catalog.obj_description(c.oid, 'pg_class') like '${canaryComment}%'
       and (select count(*) from pg_catalog.pg_attribute a where a.attrelid = c.oid and not a.attisdropped
         and (a.attname, a.atttypid) in (('seq', 'int8'::regtype), ('written_at', 'timestamptz'::regtype), ('signature', 'text'::regtype))) = 3
     order by 1 limit 1`,
  );
  return found?.schema;
}

/**
 * The newest rows, newest first; their time as their writer signed it. Whoever can write the table can put anything there,
 * so what is no row of ours (a time without end, a number beyond 2^53) is left out and not tripped over.
 */
export async function readCanaries(
  session: Session,
  schema: string,
  limit: number = canarySlots,
): Promise<Canary[]> {
  const rows = await session.query<{ seq: string; at: string; signature: string }>(
    `select seq::text as seq, signature, to_char(written_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
     from ${quoteIdentifier(schema)}.canary
     where written_at between '2000-01-01Z' and '9999-01-01Z' and seq between 1 and ${Number.MAX_SAFE_INTEGER}
       and pg_catalog.length(signature) < 200
     order by canary.seq desc limit ${limit}`,
  );
  return rows.map(({ seq, at, signature }) => ({ seq: Number(seq), writtenAt: new Date(at), signature }));
}
