import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** What one run of a job cost: the mover and every process it started, not the database or the object store. */
export interface Measurement {
  readonly seconds: number;
  /** User and system time of the whole process tree. */
  readonly cpuSeconds: number;
  /** Highest proportional set size of the tree, sampled; `null` where there is no /proc. */
  readonly peakMemoryBytes: number | null;
  /** Highest size of the scratch folder, sampled. */
  readonly scratchBytes: number;
}

export interface Job {
  /** Run by bash with -euo pipefail; its first failure fails the bench. */
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Working directory and TMPDIR of the job; emptied before and after. */
  readonly scratch: string;
}

/** Runs a job and measures it. */
export async function measure(job: Job): Promise<Measurement> {
  emptyFolder(job.scratch);
  const errors = path.join(path.dirname(job.scratch), 'errors.txt');
  const child = spawn(
    'bash',
    ['-c', `TIMEFORMAT='%3R %3U %3S'; time bash -euo pipefail -c "$SCRIPT" >/dev/null 2>"$ERRORS"`],
    {
      cwd: job.scratch,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...job.environment, TMPDIR: job.scratch, SCRIPT: job.script, ERRORS: errors },
    },
  );
  let times = '';
  child.stderr.on('data', (data: Buffer) => (times += data.toString()));
  const peak = samplePeaks(child.pid ?? 0, job.scratch);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const { memory, scratch } = peak.stop();
  emptyFolder(job.scratch);
  if (code !== 0)
    throw new Error(`a job of the bench failed:\n${fs.readFileSync(errors, 'utf8').slice(-2_000)}`);
  const [seconds = 0, user = 0, system = 0] = (times.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { seconds, cpuSeconds: user + system, peakMemoryBytes: memory, scratchBytes: scratch };
}

const memoryEveryMs = 100;
const scratchEveryMs = 500;

function samplePeaks(pid: number, folder: string) {
  let memory: number | null = null;
  let scratch = 0;
  const lookAtMemory = () => {
    const now = memoryOfTree(pid);
    if (now !== null) memory = Math.max(memory ?? 0, now);
  };
  const lookAtScratch = () => (scratch = Math.max(scratch, folderBytes(folder)));
  const timers = [setInterval(lookAtMemory, memoryEveryMs), setInterval(lookAtScratch, scratchEveryMs)];
  return {
    stop: () => {
      for (const timer of timers) clearInterval(timer);
      lookAtScratch();
      return { memory, scratch };
    },
  };
}

/** Shared pages are divided among those who share them, so that the sum over the tree is what it really takes. */
function memoryOfTree(pid: number): number | null {
  if (!fs.existsSync('/proc/self/smaps_rollup')) return null;
  const processes = [pid];
  let sum = 0;
  for (const current of processes) {
    try {
      const tasks = fs.readdirSync(`/proc/${current}/task`);
      for (const task of tasks) {
        const children = fs.readFileSync(`/proc/${current}/task/${task}/children`, 'utf8').trim();
        if (children !== '') processes.push(...children.split(' ').map(Number));
      }
      const [, kilobytes] =
        /^Pss:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${current}/smaps_rollup`, 'utf8')) ?? [];
      sum += Number(kilobytes ?? 0) * 1024;
    } catch {
      // It ended between two looks.
    }
  }
  return sum;
}

/** Sizes of all files below a folder. */
export function folderBytes(folder: string): number {
  let bytes = 0;
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += fs.statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

export function emptyFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
}
