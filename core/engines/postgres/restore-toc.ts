import { HoldfastError } from '../../errors.ts';

/** Where pg_dump puts an entry; comments, rights and labels have no section of their own and follow what is before them. */
export type Section = 'pre-data' | 'data' | 'post-data';

/** One entry of a pg_dump archive's table of contents. */
export interface TocEntry {
  readonly id: number;
  /** As pg_dump calls it, e.g. `FK CONSTRAINT`. */
  readonly kind: string;
  /** Empty for what stands in no schema. */
  readonly schema: string;
  /** The name, led by the table's where the kind is named by its table: `orders orders_pkey`. */
  readonly tag: string;
  readonly catalogOid: number;
  readonly oid: number;
  readonly section: Section;
  /** The SQL that makes it; empty for what is no SQL. */
  readonly definition: string;
  readonly dependsOn: readonly number[];
}

/** An entry as people know it: `FK CONSTRAINT public.orders orders_customer_fkey`. */
export function describeEntry({ kind, schema, tag }: Pick<TocEntry, 'kind' | 'schema' | 'tag'>): string {
  return `${kind} ${schema === '' ? '' : `${schema}.`}${tag}`;
}

/** Of the custom format's versions: 1.12 is that of pg_dump 9.0, 1.16 that of 17 and 18. */
const firstVersion = 12;
const lastVersion = 16;
const sections: Readonly<Record<number, Section>> = { 2: 'pre-data', 3: 'data', 4: 'post-data' };

/**
 * Reads the table of contents of an archive in custom format (pg_dump's `ReadHead` and `ReadToc`, src/bin/pg_dump/pg_backup_archiver.c).
 * What `pg_restore --list` prints leaves open where a name with spaces ends, and lacks the definitions.
 * `decode` makes text of names and definitions. @throws TOOL_FAILED for an archive of an unknown version
 */
export function readTableOfContents(archive: Buffer, decode = utf8Text): TocEntry[] {
  const reader = new ArchiveReader(archive, decode);
  reader.readHead();
  const count = reader.int();
  const entries: TocEntry[] = [];
  let section: Section = 'pre-data';
  for (let at = 0; at < count; at += 1) {
    const raw = reader.entry();
    section = sections[raw.section] ?? section;
    entries.push({ ...raw, section });
  }
  return entries;
}

const utf8Text = (bytes: Buffer) => bytes.toString('utf8');

class ArchiveReader {
  readonly #bytes: Buffer;
  readonly #decode: (bytes: Buffer) => string;
  #at = 0;
  #version = 0;
  #intBytes = 4;
  #offsetBytes = 8;

  constructor(bytes: Buffer, decode: (bytes: Buffer) => string) {
    this.#bytes = bytes;
    this.#decode = decode;
  }

  readHead(): void {
    const magic = this.#bytes.toString('latin1', 0, 5);
    this.#at = 5;
    const [major, minor] = [this.#byte(), this.#byte()];
    this.#byte();
    if (magic !== 'PGDMP' || major !== 1 || minor < firstVersion || minor > lastVersion) {
      throw new HoldfastError(
        'TOOL_FAILED',
        `the archive of definitions begins with ${JSON.stringify(magic)}, version ${major}.${minor}; 1.${firstVersion} to 1.${lastVersion} of pg_dump's custom format can be read`,
        { hint: 'was the backup made by a newer version of Holdfast? restore it with that one' },
      );
    }
    this.#version = minor;
    this.#intBytes = this.#byte();
    this.#offsetBytes = this.#byte();
    this.#byte();
    // Compression, then the time in seven numbers, then the database's name and both versions.
    if (minor >= 15) this.#byte();
    else this.int();
    for (let field = 0; field < 7; field += 1) this.int();
    for (let field = 0; field < 3; field += 1) this.#text();
  }

  entry(): Omit<TocEntry, 'section'> & { readonly section: number } {
    const id = this.int();
    this.int();
    const catalogOid = Number(this.#text());
    const oid = Number(this.#text());
    const tag = this.#text() ?? '';
    const kind = this.#text() ?? '';
    const section = this.int();
    const definition = this.#text() ?? '';
    // The statements that drop and that copy.
    this.#text();
    this.#text();
    const schema = this.#text() ?? '';
    // Tablespace, access method, kind of relation, owner, WITH OIDS.
    this.#text();
    if (this.#version >= 14) this.#text();
    if (this.#version >= 16) this.int();
    this.#text();
    this.#text();
    const dependsOn: number[] = [];
    for (let on = this.#text(); on !== undefined; on = this.#text()) dependsOn.push(Number(on));
    this.#at += 1 + this.#offsetBytes;
    return { id, kind, schema, tag, catalogOid, oid, section, definition, dependsOn };
  }

  /** A sign, then the bytes of the number, the lowest first. */
  int(): number {
    const sign = this.#byte();
    const value = this.#bytes.readUIntLE(this.#at, this.#intBytes);
    this.#at += this.#intBytes;
    return sign === 0 ? value : -value;
  }

  #byte(): number {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  #text(): string | undefined {
    const length = this.int();
    if (length < 0) return undefined;
    this.#at += length;
    return this.#decode(this.#bytes.subarray(this.#at - length, this.#at));
  }
}

/** Rights are given last: a role without rights on its own table must not stop the rows from coming in. */
export function isAcl(entry: TocEntry): boolean {
  return entry.kind === 'ACL' || entry.kind === 'DEFAULT ACL';
}

/** Kinds whose tag begins with the name of the table that they belong to. */
const namedByTable = new Set([
  'DEFAULT',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'TRIGGER',
  'RULE',
  'POLICY',
  'ROW SECURITY',
]);
/** Kinds that belong to a table, index or sequence that they depend on. */
const attached = new Set([
  'SEQUENCE',
  'SEQUENCE OWNED BY',
  'INDEX',
  'STATISTICS',
  'COMMENT',
  'ACL',
  'SECURITY LABEL',
]);
/** Kinds that join two things and make sense only with both. */
const joining = new Set(['TABLE ATTACH', 'INDEX ATTACH']);

/** A table's entries: its definition and everything that is its own, in archive order. */
export function entriesOfTables(entries: readonly TocEntry[], oids: ReadonlySet<number>): Set<TocEntry> {
  const pgClass = 1259;
  const chosen = new Map<number, TocEntry>();
  const tables = entries.filter(
    (entry) => entry.catalogOid === pgClass && oids.has(entry.oid) && entry.kind === 'TABLE',
  );
  for (const entry of tables) chosen.set(entry.id, entry);
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  for (let before = -1; before !== chosen.size;) {
    before = chosen.size;
    for (const entry of entries) {
      if (!chosen.has(entry.id) && belongs(entry, chosen, { byId, tables })) chosen.set(entry.id, entry);
    }
  }
  return new Set(chosen.values());
}

interface Surroundings {
  readonly byId: ReadonlyMap<number, TocEntry>;
  readonly tables: readonly TocEntry[];
}

function belongs(
  entry: TocEntry,
  chosen: ReadonlyMap<number, TocEntry>,
  { byId, tables }: Surroundings,
): boolean {
  if (!entry.dependsOn.some((id) => chosen.has(id))) return false;
  if (joining.has(entry.kind)) return entry.dependsOn.every((id) => chosen.has(id));
  if (attached.has(entry.kind)) return true;
  if (!namedByTable.has(entry.kind)) return false;
  const isNamedBy = (table: TocEntry) =>
    entry.schema === table.schema && (entry.tag === table.tag || entry.tag.startsWith(`${table.tag} `));
  // A table `orders x` has entries that look like those of `orders`: the longer name that fits is the owner.
  const ours = Math.max(-1, ...tables.filter(isNamedBy).map((table) => table.tag.length));
  return (
    ours >= 0 &&
    !entry.dependsOn.some((id) => {
      const other = byId.get(id);
      return (
        other !== undefined &&
        !chosen.has(id) &&
        other.kind === 'TABLE' &&
        other.tag.length > ours &&
        isNamedBy(other)
      );
    })
  );
}

/** What the given entries need, directly or not, without themselves; `stopAt` ends the search. */
export function requiredBy(
  chosen: ReadonlySet<TocEntry>,
  candidates: readonly TocEntry[],
  stopAt: (entry: TocEntry, from: TocEntry) => boolean,
): Set<TocEntry> {
  const byId = new Map(candidates.map((entry) => [entry.id, entry]));
  const required = new Set<TocEntry>();
  const queue = [...chosen];
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    for (const id of from.dependsOn) {
      const entry = byId.get(id);
      if (entry === undefined || chosen.has(entry) || required.has(entry) || stopAt(entry, from)) continue;
      required.add(entry);
      queue.push(entry);
    }
  }
  return required;
}
