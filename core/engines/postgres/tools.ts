import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { HoldfastError } from '../../errors.ts';
import type { Settings } from './options.ts';

const run = promisify(execFile);

export type PostgresProgram = 'pg_dump' | 'pg_restore';

/** The client programs for one server. */
export interface Tools {
  path(program: PostgresProgram): string;
  /** For the manifest, e.g. `{ pg_dump: '18.6', zstd: '1.5.7' }`. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Finds the client programs for a server's major. @throws TOOL_MISSING */
export async function findTools(
  major: number,
  programs: readonly PostgresProgram[],
  settings: Settings,
): Promise<Tools> {
  const candidates =
    settings.binDirectory === undefined
      ? usualPlaces(major, settings.searchPath)
      : [settings.binDirectory(major)];
  const seen: string[] = [];
  for (const directory of candidates) {
    const versions = await versionsIn(directory, programs);
    if (versions === undefined) continue;
    const found = Number.parseInt(versions[programs[0] ?? ''] ?? '', 10);
    // A newer client can serve an older server; an older one refuses.
    if (found >= major) {
      return {
        versions: { ...versions, zstd: process.versions['zstd'] ?? '' },
        path: (program) => path.join(directory, program),
      };
    }
    seen.push(`${found} in ${directory}`);
  }
  throw new HoldfastError(
    'TOOL_MISSING',
    `no PostgreSQL ${major} client programs (${programs.join(', ')}) were found${seen.length === 0 ? '' : `, only ${seen.join(', ')}`}`,
    {
      hint: `install them, for example with: apt-get install postgresql-client-${major}`,
    },
  );
}

function usualPlaces(major: number, searchPath: string): string[] {
  return [
    `/usr/lib/postgresql/${major}/bin`,
    `/usr/pgsql-${major}/bin`,
    `/opt/homebrew/opt/postgresql@${major}/bin`,
    ...searchPath.split(path.delimiter),
  ];
}

async function versionsIn(
  directory: string,
  programs: readonly PostgresProgram[],
): Promise<Record<string, string> | undefined> {
  if (programs.some((program) => !existsSync(path.join(directory, program)))) return undefined;
  const versions: Record<string, string> = {};
  for (const program of programs) {
    const answer = await run(path.join(directory, program), ['--version'], {
      env: { PATH: '/usr/bin:/bin', LANG: 'C' },
    }).catch(() => undefined);
    const version = /\) (\d[\w.]*)/.exec(answer?.stdout ?? '')?.[1];
    if (version === undefined) return undefined;
    versions[program] = version;
  }
  return versions;
}
