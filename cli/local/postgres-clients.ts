import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const fetched = path.resolve(import.meta.dirname, '../../.cache/postgres');

/**
 * Where the client programs of a major are: Debian's and Red Hat's places, what `npm run setup` fetched, then the first
 * folder of PATH whose programs are new enough. The engine says what is missing when there are none.
 */
export function findPostgresClients(major: number, searchPath: string): string {
  const exact = [
    `/usr/lib/postgresql/${major}/bin`,
    path.join(fetched, String(major), 'bin'),
    `/usr/pgsql-${major}/bin`,
    `/opt/homebrew/opt/postgresql@${major}/bin`,
  ];
  const found = exact.find(hasClients);
  if (found !== undefined) return found;
  const newer = [17, 18]
    .filter((other) => other > major)
    .map((other) => path.join(fetched, String(other), 'bin'));
  const onPath = searchPath.split(path.delimiter).filter((folder) => folder !== '');
  const usable = [...onPath, ...newer].find((folder) => hasClients(folder) && majorIn(folder) >= major);
  return usable ?? `/usr/lib/postgresql/${major}/bin`;
}

function hasClients(folder: string): boolean {
  return ['pg_dump', 'pg_restore'].every((program) => fs.existsSync(path.join(folder, program)));
}

function majorIn(folder: string): number {
  try {
    const answer = execFileSync(path.join(folder, 'pg_dump'), ['--version'], { encoding: 'utf8', env: {} });
    return Number.parseInt(/\) (\d+)/.exec(answer)?.[1] ?? '0', 10);
  } catch {
    return 0;
  }
}
