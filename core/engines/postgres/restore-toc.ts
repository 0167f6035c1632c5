/** One line of a pg_dump archive's table of contents. */
export interface TocEntry {
  readonly id: number;
  /** As pg_restore printed it, for `--use-list`. */
  readonly line: string;
  readonly catalogOid: number;
  readonly oid: number;
  /** Kind, schema, name and owner as one text: names may hold spaces, so only comparisons with known names are safe. */
  readonly label: string;
  readonly dependsOn: readonly number[];
}

/** Reads the output of `pg_restore --list`, with dependencies where `--verbose` was given. */
export function parseTableOfContents(text: string): TocEntry[] {
  const entries: TocEntry[] = [];
  let current: { dependsOn: number[] } | undefined;
  for (const line of text.split('\n')) {
    const dependencies = /^;\s+depends on:((?: \d+)+)\s*$/.exec(line)?.[1];
    if (dependencies !== undefined) {
      current?.dependsOn.push(...dependencies.trim().split(' ').map(Number));
      continue;
    }
    const [, id, catalogOid, oid, label] = /^(\d+); (\d+) (\d+) (.*)$/.exec(line) ?? [];
    if (label === undefined) continue;
    const entry = {
      id: Number(id),
      line,
      catalogOid: Number(catalogOid),
      oid: Number(oid),
      label,
      dependsOn: [] as number[],
    };
    entries.push(entry);
    current = entry;
  }
  return entries;
}

/** Rights are given last: a role without rights on its own table must not stop the rows from coming in. */
export function isAcl(entry: TocEntry): boolean {
  return entry.label.startsWith('ACL ') || entry.label.startsWith('DEFAULT ACL ');
}

/** Kinds whose tag begins with the name of the table that they belong to. */
const namedByTable = [
  'DEFAULT',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'TRIGGER',
  'RULE',
  'POLICY',
  'ROW SECURITY',
];
/** Kinds that belong to a table, index or sequence that they depend on. */
const attached = ['SEQUENCE', 'SEQUENCE OWNED BY', 'INDEX', 'STATISTICS', 'COMMENT', 'ACL', 'SECURITY LABEL'];
/** Kinds that join two things and make sense only with both. */
const joining = ['TABLE ATTACH', 'INDEX ATTACH'];

export function isKind(entry: TocEntry, kind: string): boolean {
  return entry.label.startsWith(`${kind} `);
}

/** A table's entries: its definition and everything that is its own, in archive order. */
export function entriesOfTables(
  entries: readonly TocEntry[],
  oids: ReadonlySet<number>,
  tablePrefixes: readonly string[],
): Set<TocEntry> {
  const pgClass = 1259;
  const chosen = new Map<number, TocEntry>();
  const tables = entries.filter(
    (entry) => entry.catalogOid === pgClass && oids.has(entry.oid) && isKind(entry, 'TABLE'),
  );
  for (const entry of tables) chosen.set(entry.id, entry);
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  for (let before = -1; before !== chosen.size;) {
    before = chosen.size;
    for (const entry of entries) {
      if (!chosen.has(entry.id) && belongs(entry, chosen, { byId, tablePrefixes }))
        chosen.set(entry.id, entry);
    }
  }
  return new Set(chosen.values());
}

interface Surroundings {
  readonly byId: ReadonlyMap<number, TocEntry>;
  readonly tablePrefixes: readonly string[];
}

function belongs(
  entry: TocEntry,
  chosen: ReadonlyMap<number, TocEntry>,
  { byId, tablePrefixes }: Surroundings,
): boolean {
  if (!entry.dependsOn.some((id) => chosen.has(id))) return false;
  if (joining.some((kind) => isKind(entry, kind))) return entry.dependsOn.every((id) => chosen.has(id));
  if (attached.some((kind) => isKind(entry, kind))) return true;
  const kind = namedByTable.find((candidate) =>
    tablePrefixes.some((prefix) => entry.label.startsWith(`${candidate} ${prefix} `)),
  );
  if (kind === undefined) return false;
  // A table `orders x` has entries that look like those of `orders`: the longer name that fits is the owner.
  const ours = Math.max(
    ...tablePrefixes
      .filter((prefix) => entry.label.startsWith(`${kind} ${prefix} `))
      .map((prefix) => prefix.length),
  );
  return !entry.dependsOn.some((id) => {
    const other = byId.get(id);
    if (other === undefined || chosen.has(id) || !isKind(other, 'TABLE')) return false;
    const name = other.label.slice('TABLE '.length, other.label.lastIndexOf(' '));
    return name.length > ours && entry.label.startsWith(`${kind} ${name} `);
  });
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
