import { HoldfastError } from '../../errors.ts';
import { displayName, type QualifiedName, quoteName } from './quote.ts';
import type { SchemaArchive } from './restore-archive.ts';
import type { Selection } from './restore-items.ts';
import { entriesOfTables, isAcl, isKind, requiredBy, type TocEntry } from './restore-toc.ts';
import type { Session } from './session.ts';

/** Which definitions are restored before and after the rows. */
export interface SchemaPlan {
  /** What others own and the chosen tables need; made where it is missing, never altered. */
  readonly required: readonly TocEntry[];
  readonly preData: readonly TocEntry[];
  readonly postData: readonly TocEntry[];
  /** Entries of the sequences whose state is set; all when missing. */
  readonly sequenceLabels?: readonly string[];
  readonly warnings: readonly string[];
  /** Errors of pg_restore that leave the data whole. */
  readonly isTolerable: (error: string) => boolean;
  readonly isTolerableAfterRows: (error: string) => boolean;
}

/** Ownership, rights and comments that the restoring user may not set, on managed services above all. */
const rightsError =
  /must be (?:owner|superuser|able to SET ROLE|member|a superuser)|permission denied|role ".*" does not exist|Only roles with|no privileges (?:were|could)/i;

export function planAll(archive: SchemaArchive): SchemaPlan {
  return {
    required: [],
    preData: archive.preData.filter((entry) => !isAcl(entry)),
    postData: [...archive.postData, ...archive.preData.filter(isAcl)],
    warnings: [],
    isTolerable: (error) => rightsError.test(error),
    isTolerableAfterRows: (error) => rightsError.test(error),
  };
}

/** Definitions that stand in the way without harm when only some tables are restored into a database that has things already. */
const thereAlready = /already exists/i;

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
  const own = entriesOfTables(all, selection.oids, selection.names.map(sanitizedName));
  const preIds = new Set(archive.preData.map((entry) => entry.id));
  const warnings: string[] = [];
  for (const entry of own) {
    if (!isKind(entry, 'FK CONSTRAINT')) continue;
    const absent = await absentTable(entry, { all, own, session });
    if (absent === undefined) continue;
    own.delete(entry);
    warnings.push(`${entry.label}: left out, because ${absent} is not in the target`);
  }
  // Rows and tables of others are not pulled in by a trigger or a policy: where they are missing, that is a warning.
  const required = requiredBy(
    own,
    archive.preData,
    (entry, from) => isKind(from, 'FK CONSTRAINT') || (!preIds.has(from.id) && isKind(entry, 'TABLE')),
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
    sequenceLabels: pre.filter((entry) => isKind(entry, 'SEQUENCE')).map((entry) => entry.label),
    warnings,
    isTolerable: (error) => rightsError.test(error) || thereAlready.test(error),
    isTolerableAfterRows: (error) => !/could not extend file|no space left/i.test(error),
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
    'select pg_catalog.to_regclass($1) is not null as found',
    [quoteName(name)],
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
  const tables = all.filter(
    (entry) => key.dependsOn.includes(entry.id) && isKind(entry, 'TABLE') && !own.has(entry),
  );
  for (const entry of tables) {
    // `TABLE schema name owner`; names with spaces cannot be told apart here, and then the key is left out.
    const [, schema, name, ...rest] = entry.label.split(' ');
    if (
      schema === undefined ||
      name === undefined ||
      rest.length !== 1 ||
      !(await exists(session, { schema, name }))
    )
      return `${schema}.${name}`;
  }
  return undefined;
}

/** As pg_restore prints names in its list: line breaks become spaces. */
export function sanitizedName(name: QualifiedName): string {
  return `${name.schema} ${name.name}`.replaceAll(/[\n\r]/g, ' ');
}
