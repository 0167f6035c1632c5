import * as z from 'zod';
import { type CheckContext, nothingToCheck } from '../engine.ts';
import { plural } from '../../plural.ts';
import { type Checked, triedKeys } from './check-scope.ts';
import { readIfPlanned, sayUnplanned } from './planning.ts';
import { displayName, quoteIdentifier, quoteName } from './quote.ts';
import type { Session } from './session.ts';

interface ForeignKey {
  readonly name: string;
  readonly validated: boolean;
  readonly child: { readonly schema: string; readonly name: string };
  readonly parent: { readonly schema: string; readonly name: string };
  readonly partitioned: boolean;
  readonly pages: string;
  readonly columns: readonly {
    readonly child: string;
    readonly parent: string;
    readonly operator: string;
    readonly operatorSchema: string;
  }[];
}

/** Keys of tables that users made; those of single partitions come with their parent's. Temporal and unenforced ones (18) cannot be tried by equality. */
const foreignKeysSql = (major: number) => `
  select k.conrelid::pg_catalog.regclass::text || ' ' || k.conname as name, k.convalidated as validated,
    json_build_object('schema', cn.nspname, 'name', c.relname) as child, json_build_object('schema', pn.nspname, 'name', p.relname) as parent,
    c.relkind = 'p' as partitioned, (pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint)::text as pages,
    (select json_agg(json_build_object('child', ca.attname, 'parent', pa.attname, 'operator', o.oprname, 'operatorSchema', n.nspname) order by key.at)
      from unnest(k.conkey, k.confkey, k.conpfeqop) with ordinality as key(child, parent, operator, at)
      join pg_catalog.pg_attribute ca on ca.attrelid = k.conrelid and ca.attnum = key.child
      join pg_catalog.pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = key.parent
      join pg_catalog.pg_operator o on o.oid = key.operator join pg_catalog.pg_namespace n on n.oid = o.oprnamespace) as columns
  from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
    join pg_catalog.pg_class p on p.oid = k.confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
  where k.contype = 'f' and k.conparentid = 0 ${major >= 18 ? 'and k.conenforced and not k.conperiod' : ''}
  order by 1`;

/** More names in one line help nobody. */
const mostNamed = 10;

const sampledPages = 100;
const sampledRows = 2000;

const billSchema = z.looseObject({
  foreignKeys: z.number().optional(),
  foreignKeysNotValidated: z.array(z.string()).optional(),
});

/**
 * All keys are there and validated as in the source, and sampled children have their parents. Of single tables (`restored`) only
 * their own keys are looked at: the target may hold others, and keys to tables that stayed away were not made. Keys that the
 * restore named as faults are not missed a second time.
 */
export async function checkForeignKeys(
  session: Session,
  { manifest, faults = [] }: Pick<CheckContext<unknown>, 'manifest' | 'faults'>,
  restored: ReadonlySet<string> | undefined,
): Promise<Checked> {
  const bill = billSchema.parse(manifest.billOfMaterials);
  const { major } = await session.one<{ major: number }>(
    `select current_setting('server_version_num')::int / 10000 as major`,
  );
  const { total } = await session.one<{ total: number }>(
    `select count(*)::int as total from pg_catalog.pg_constraint where contype = 'f'`,
  );
  const all = await session.query<ForeignKey>(foreignKeysSql(major));
  const keys = all.filter(({ child }) => restored === undefined || restored.has(displayName(child)));
  const problems: string[] = [];
  // One key that is missing, or one partition that hangs on nothing, takes away as many as there are partitions.
  const named = faults.filter(({ object }) => /^(?:FK CONSTRAINT|TABLE ATTACH) /.test(object)).length;
  if (restored === undefined && named === 0 && bill.foreignKeys !== undefined && total < bill.foreignKeys)
    problems.push(`${plural(total, 'foreign key')} instead of ${bill.foreignKeys}`);
  const excused = new Set(bill.foreignKeysNotValidated);
  const tried = keys.filter((key) => {
    if (!key.validated && !excused.has(key.name)) problems.push(`${key.name} is not validated`);
    return key.validated;
  });
  const unplanned: { name: string; reason: string }[] = [];
  for (const key of tried.slice(0, triedKeys)) {
    const read = await readIfPlanned<{ orphans: number }>(session, orphansSql(key));
    if ('refused' in read) unplanned.push({ name: key.name, reason: read.refused.message });
    else if (read.result.orphans > 0)
      problems.push(`${key.name} has ${plural(read.result.orphans, 'row')} without a parent`);
  }
  if (keys.length === 0 && problems.length === 0 && named === 0)
    return { ok: true, detail: nothingToCheck, notChecked: [] };
  const detail =
    problems.length === 0
      ? `${plural(keys.length, 'foreign key holds', 'foreign keys hold')}, ${Math.min(tried.length, triedKeys) - unplanned.length} tried on sampled rows${named === 0 ? '' : `; ${named} that the restore could not make are named as faults`}`
      : problems.slice(0, 10).join('; ');
  const untried = keys.filter(({ validated }) => !validated).map(({ name }) => name);
  const more = untried.length > mostNamed ? ` and ${untried.length - mostNamed} more` : '';
  const notValid =
    untried.length === 0
      ? []
      : [`rows of foreign keys that are NOT VALID: ${untried.slice(0, mostNamed).join(', ')}${more}`];
  const notChecked = [...notValid, ...sayUnplanned('rows of foreign keys', unplanned)];
  return { ok: problems.length === 0, detail, notChecked };
}

function orphansSql(key: ForeignKey): string {
  const percent = Number(key.pages) <= sampledPages ? 100 : (100 * sampledPages) / Number(key.pages);
  const columns = key.columns.map(({ child }) => quoteIdentifier(child));
  const notNull = columns.map((column) => `${column} IS NOT NULL`).join(' AND ');
  const match = key.columns
    .map(
      ({ child, parent, operator, operatorSchema }) =>
        `p.${quoteIdentifier(parent)} OPERATOR(${quoteIdentifier(operatorSchema)}.${operator}) c.${quoteIdentifier(child)}`,
    )
    .join(' AND ');
  return `SELECT count(*)::int AS orphans FROM (SELECT ${columns.join(', ')} FROM ${key.partitioned ? '' : 'ONLY '}${quoteName(key.child)}
      TABLESAMPLE SYSTEM (${percent}) WHERE ${notNull} LIMIT ${sampledRows}) c
    WHERE NOT EXISTS (SELECT FROM ${quoteName(key.parent)} p WHERE ${match})`;
}
