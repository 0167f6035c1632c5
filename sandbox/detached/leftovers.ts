import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listContainers } from '../sandbox.ts';
import type { ProcessRecord } from './records.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');

interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly command: string;
}

/** Is the process that a record names still that process? Ids are used again; the directory's name is not. */
export function isRunning(record: ProcessRecord): boolean {
  return listProcesses().some(({ pid, command }) => pid === record.pid && command.includes(record.directory));
}

/**
 * Ends whatever is left of a sandbox: politely, because PostgreSQL leaves shared memory behind when it is killed, then
 * by force. Nothing that merely got an old number again is touched.
 */
export async function endLeftovers(record: ProcessRecord, patienceMs = 4_000): Promise<number> {
  const found = findLeftovers(record);
  // Not to the backends: they are their server's to stop, and mean something else by this signal.
  const groups = new Set([record.pid, ...containersBelow(record.directory).map(({ pid }) => pid)]);
  signal(
    found.filter(({ group }) => groups.has(group)),
    'SIGINT',
  );
  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline && findLeftovers(record).length > 0) await sleep(50);
  // Also those of the first look whose parent is gone by now, such as the servers' backends.
  const numbers = new Set(found.map(({ pid, command }) => `${pid} ${command}`));
  const rest = () => [
    ...findLeftovers(record),
    ...listProcesses().filter(({ pid, command }) => numbers.has(`${pid} ${command}`)),
  ];
  for (let left = rest(); left.length > 0; left = rest()) {
    signal(left, 'SIGKILL');
    await sleep(50);
  }
  return found.length;
}

function findLeftovers(record: ProcessRecord): RunningProcess[] {
  const all = listProcesses();
  const ours = new Set<number>();
  const claim = (group: number, mark: string) => {
    const members = all.filter((one) => one.group === group);
    if (members.some(({ command }) => command.includes(mark))) for (const { pid } of members) ours.add(pid);
  };
  claim(record.pid, record.directory);
  for (const { pid } of containersBelow(record.directory)) {
    claim(pid, projectRoot);
    claim(pid, record.directory);
  }
  // Backends lead sessions of their own, but their parents are known.
  for (let size = -1; size !== ours.size;) {
    size = ours.size;
    for (const { pid, parent } of all) if (ours.has(parent)) ours.add(pid);
  }
  ours.delete(process.pid);
  return all.filter(({ pid }) => ours.has(pid));
}

/** The launcher writes one file for each container. */
export function containersBelow(directory: string): { readonly pid: number; readonly region: string }[] {
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory)
    .filter((name) => name.startsWith('holdfast-sandbox-'))
    .flatMap((name) => listContainers(path.join(directory, name, 'containers')));
}

function signal(processes: readonly RunningProcess[], name: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Zombies are left out: they are gone but for their number. */
export function listProcesses(): RunningProcess[] {
  const text = execFileSync('ps', ['-axww', '-o', 'pid=,ppid=,pgid=,stat=,command='], {
    encoding: 'utf8',
    maxBuffer: 64_000_000,
  });
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, group, stat, command] =
      /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (stat === undefined || stat.startsWith('Z')) return [];
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), command: command ?? '' }];
  });
}
