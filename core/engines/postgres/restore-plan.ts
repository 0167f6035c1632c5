import type { QualifiedName } from './quote.ts';
import type { SchemaArchive } from './restore-archive.ts';
import { isAcl, type TocEntry } from './restore-toc.ts';
import type { Session } from './session.ts';

/** Which definitions are restored before and after the rows. */
export interface SchemaPlan {
  readonly preData: readonly TocEntry[];
  readonly postData: readonly TocEntry[];
  /** Display names of the sequences whose state is set; all when missing. */
  readonly sequences?: ReadonlySet<string>;
  readonly warnings: readonly string[];
  /** Errors of pg_restore that leave the data whole. */
  readonly isTolerable: (error: string) => boolean;
}

/** Ownership, rights and comments that the restoring user may not set, on managed services above all. */
const rightsError =
  /must be (?:owner|superuser|able to SET ROLE|member|a superuser)|permission denied|role ".*" does not exist|Only roles with|no privileges (?:were|could)/i;

export function planAll(archive: SchemaArchive): SchemaPlan {
  return {
    preData: archive.preData.filter((entry) => !isAcl(entry)),
    postData: [...archive.postData, ...archive.preData.filter(isAcl)],
    warnings: [],
    isTolerable: (error) => rightsError.test(error),
  };
}

export async function planTables(
  archive: SchemaArchive,
  _tables: readonly QualifiedName[],
  _session: Session,
): Promise<SchemaPlan> {
  return planAll(archive);
}
