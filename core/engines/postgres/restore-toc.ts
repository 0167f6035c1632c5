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
