import { HoldfastError } from '../../errors.ts';
import { displayName, type QualifiedName, quoteLiteral, quoteName } from './quote.ts';
import type { SchemaArchive } from './restore-archive.ts';
import type { Selection } from './restore-items.ts';
import { describeEntry, entriesOfTables, isAcl, requiredBy, type TocEntry } from './restore-toc.ts';
import type { Session } from './session.ts';

/** Which definitions are restored before and after the rows. */
export interface SchemaPlan {
  /** What others own and the chosen tables need; made where it is missing, never altered. */
  readonly required: readonly TocEntry[];
  readonly preData: readonly TocEntry[];
  readonly postData: readonly TocEntry[];
  /** The sequences whose state is set; all when missing. */
  readonly sequences?: readonly QualifiedName[];
  readonly warnings: readonly string[];
}

export function planAll(archive: SchemaArchive): SchemaPlan {
  return {
    required: [],
    preData: archive.preData.filter((entry) => !isAcl(entry)),
    postData: [...archive.postData, ...archive.preData.filter(isAcl)],
    warnings: [],
  };
}

/**
 * Only the given tables: their definitions, what those need (types, functions, schemas, sequences), and afterwards their
 * indexes, constraints and triggers. A foreign key to a table that is not there becomes a warning.
 * @throws TARGET_NOT_EMPTY when one of the tables is there already
 */
export async function planTables(
  archive: SchemaArchive,
  selection: Selection,
  session: Session,
): Promise<SchemaPlan> {
  await requireAbsent(session, selection.names);
  const all = [...archive.preData, ...archive.postData];
  const own = entriesOfTables(all, selection.oids);
  const preIds = new Set(archive.preData.map((entry) => entry.id));
  const warnings: string[] = [];
  for (const entry of own) {
    if (entry.kind !== 'FK CONSTRAINT') continue;
    const absent = await absentTable(entry, { all, own, session });
    if (absent === undefined) continue;
    own.delete(entry);
    warnings.push(`${describeEntry(entry)}: left out, because ${absent} is not in the target`);
  }
  // Rows and tables of others are not pulled in by a trigger or a policy: where they are missing, that is a warning.
  const required = requiredBy(
    own,
    archive.preData,
    (entry, from) => from.kind === 'FK CONSTRAINT' || (!preIds.has(from.id) && entry.kind === 'TABLE'),
  );
  const pre = archive.preData.filter((entry) => !isAcl(entry) && (own.has(entry) || required.has(entry)));
  const post = [
    ...archive.postData.filter((entry) => own.has(entry)),
    ...archive.preData.filter((entry) => isAcl(entry) && own.has(entry)),
  ];
  return {
    required: pre.filter((entry) => required.has(entry)),
    preData: pre.filter((entry) => own.has(entry)),
    postData: post,
    sequences: pre
      .filter(({ kind }) => kind === 'SEQUENCE')
      .map(({ schema, tag }) => ({ schema, name: tag })),
    warnings,
  };
}

async function requireAbsent(session: Session, names: readonly QualifiedName[]): Promise<void> {
  const present: string[] = [];
  for (const name of names) if (await exists(session, name)) present.push(displayName(name));
  if (present.length === 0) return;
  throw new HoldfastError('TARGET_NOT_EMPTY', `the target has ${present.slice(0, 5).join(', ')} already`, {
    hint: 'rename it in the target first, or restore into a new database',
    detail: { tables: present },
  });
}

async function exists(session: Session, name: QualifiedName): Promise<boolean> {
  const row = await session.one<{ found: boolean }>(
    `select pg_catalog.to_regclass(${quoteLiteral(quoteName(name))}) is not null as found`,
  );
  return row.found;
}

interface KeyContext {
  readonly all: readonly TocEntry[];
  readonly own: ReadonlySet<TocEntry>;
  readonly session: Session;
}

/** The table that a foreign key points to, when neither the restore nor the target has it. */
async function absentTable(key: TocEntry, { all, own, session }: KeyContext): Promise<string | undefined> {
  for (const entry of all) {
    if (entry.kind !== 'TABLE' || !key.dependsOn.includes(entry.id) || own.has(entry)) continue;
    const name = { schema: entry.schema, name: entry.tag };
    if (!(await exists(session, name))) return displayName(name);
  }
  return undefined;
}
