import fs from 'node:fs';
import { listProcesses } from '../detached/leftovers.ts';

/** What a process and all its descendants were seen to run and to listen on. */
export interface ProcessWatch {
  /** Commands of those that still run. */
  running(): string[];
  /** How many processes were seen, and how many sockets that listened. */
  seen(): { readonly processes: number; readonly listeners: number };
  /** Ports that are still listened on. */
  listening(): number[];
  stop(): void;
}

/**
 * Looks again and again at who descends from a process, so that those are known whose parent is gone later. `folder` is its
 * temporary folder: whoever names it belongs to it too, descended or not.
 */
export function watchProcesses(root: number, folder: string): ProcessWatch {
  const commands = new Map<number, string>();
  const sockets = new Set<string>();
  const look = () => {
    const all = listProcesses();
    const ours = new Set([root, ...all.filter((one) => one.command.includes(folder)).map(({ pid }) => pid)]);
    ours.delete(process.pid);
    for (let size = -1; size !== ours.size;) {
      size = ours.size;
      for (const { pid, parent } of all) if (ours.has(parent)) ours.add(pid);
    }
    for (const { pid, command } of all) if (ours.has(pid)) commands.set(pid, command);
    const listening = new Set(listeners().keys());
    for (const pid of ours) for (const inode of socketsOf(pid)) if (listening.has(inode)) sockets.add(inode);
  };
  const timer = setInterval(look, 250);
  return {
    running: () =>
      listProcesses()
        .filter(({ pid, command }) => commands.get(pid) === command || command.includes(folder))
        .filter(({ pid }) => pid !== process.pid)
        .map(({ command }) => command),
    seen: () => ({ processes: commands.size, listeners: sockets.size }),
    listening: () => [...listeners()].filter(([inode]) => sockets.has(inode)).map(([, port]) => port),
    stop: () => clearInterval(timer),
  };
}

/** Listening TCP sockets of this machine by inode; none where there is no /proc. */
function listeners(): Map<string, number> {
  const found = new Map<string, number>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    if (!fs.existsSync(file)) continue;
    for (const line of fs.readFileSync(file, 'utf8').split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state === '0A') found.set(inode, Number.parseInt(local.split(':')[1] ?? '', 16));
    }
  }
  return found;
}

function socketsOf(pid: number): string[] {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    // It ended between the two looks.
    return [];
  }
}
