import fs from 'node:fs';
import path from 'node:path';

/** An assembly that nobody used for so long is thrown away; a deployment takes minutes. */
const keptHours = 1;

/**
 * Gives the assembly of a key, made once. Safe for several at a time, in one process or in many: each makes its own beside
 * the others, the first that is ready wins, and none that may be in use is deleted.
 */
export async function cachedAssembly(
  cache: string,
  key: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path.join(cache, key);
  if (!isWhole(folder)) {
    fs.mkdirSync(cache, { recursive: true });
    const partial = fs.mkdtempSync(path.join(cache, 'partial-'));
    try {
      await make(partial);
      moveUnlessThere(partial, folder);
    } finally {
      fs.rmSync(partial, { recursive: true, force: true, maxRetries: 2 });
    }
  }
  const now = new Date();
  fs.utimesSync(folder, now, now);
  dropUnused(cache, now.getTime() - keptHours * 3_600_000);
  return folder;
}

const isWhole = (folder: string) => fs.existsSync(path.join(folder, 'manifest.json'));

/** A folder comes into being with everything in it; one that another process made meanwhile is as good. */
function moveUnlessThere(partial: string, folder: string): void {
  try {
    fs.renameSync(partial, folder);
  } catch (error) {
    if (!isWhole(folder)) throw error;
  }
}

function dropUnused(cache: string, before: number): void {
  for (const name of fs.readdirSync(cache)) {
    const folder = path.join(cache, name);
    const used = fs.statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
    if (used !== undefined && used < before)
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 2 });
  }
}
