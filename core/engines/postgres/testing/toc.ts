import type { TocEntry } from '../restore-toc.ts';

/** An entry of an archive, as few words as a test needs: `TABLE public orders`, with a tag that may hold spaces. */
export function tocEntry(
  id: number,
  [kind, schema, tag]: readonly [kind: string, schema: string, tag: string],
  more: Partial<TocEntry> = {},
): TocEntry {
  return {
    id,
    kind,
    schema,
    tag,
    catalogOid: kind === 'TABLE' ? 1259 : 0,
    oid: 0,
    section: 'pre-data',
    definition: '',
    dependsOn: [],
    ...more,
  };
}
