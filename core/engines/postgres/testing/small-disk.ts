import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A file system of a few megabytes, to run out of space for real. */
export interface SmallDisk {
  readonly directory: string;
  resize(megabytes: number): void;
  unmount(): void;
}

/** Mounts one, open to the user that servers run as; `undefined` where this user may mount nothing. */
export function mountSmallDisk(megabytes: number): SmallDisk | undefined {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-small-disk-'));
  const mount = (options: string) => runAsRoot(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', directory]);
  if (!mount(`size=${megabytes}m,mode=1777`)) {
    rmdirSync(directory);
    return undefined;
  }
  return {
    directory,
    resize: (size) => {
      if (!mount(`remount,size=${size}m`)) throw new Error(`${directory} cannot be resized to ${size} MB`);
    },
    unmount: () => {
      // Lazily: a program that was killed may still be on its way out.
      runAsRoot(['umount', '--lazy', directory]);
      rmdirSync(directory);
    },
  };
}

/** Why a test that needs a small disk cannot run here. */
export function whyNoSmallDisk(): string | undefined {
  const disk = mountSmallDisk(1);
  disk?.unmount();
  return disk === undefined ? 'this user may mount no file system, not even by sudo' : undefined;
}

function runAsRoot(command: readonly string[]): boolean {
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
