import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ControlPlaneResult } from './control-plane.ts';
import type { Dataset } from './dataset.ts';
import type { JobResult, MemoryResult } from './jobs.ts';
import type { Measurement } from './measure.ts';
import { type Result, speedup } from './rounds.ts';

export interface BenchReport {
  readonly at: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly store: string;
  readonly scale: number;
  readonly rounds: number;
  readonly dataset: Dataset;
  readonly jobs: readonly JobResult[];
  readonly memory: readonly MemoryResult[];
  readonly control?: ControlPlaneResult;
  readonly goals: readonly Goal[];
}

export interface Goal {
  readonly what: string;
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

const goalRatios = [
  { job: /^backup of shop, 2/, peer: 'documented', atLeast: 6, what: 'backup against the documented flow' },
  { job: /^backup of shop, 2/, peer: 'native', atLeast: 1.1, what: 'backup against the best native flow' },
  {
    job: /^backup of big, 4/,
    peer: 'native',
    atLeast: 1.3,
    what: 'backup, nine tenths in one table, 4 connections',
  },
  {
    job: /^restore of shop, 2/,
    peer: 'native',
    atLeast: 1.1,
    what: 'restore against download and pg_restore',
  },
] as const;

/** 300 MB with 2 streams; with more data it may be a tenth more, which is what sampling and the garbage collector vary by. */
const memoryLimitBytes = 300e6;
const flatWithin = 1.1;
/** In bytes of text: from less than all buffers hold, and from enough to fill them. */
const memorySpans = [
  [0.2e9, 4e9],
  [1e9, 10e9],
] as const;

export function judge(jobs: readonly JobResult[], memory: readonly MemoryResult[]): Goal[] {
  const goals: Goal[] = [];
  for (const { job, peer, atLeast, what } of goalRatios) {
    const found = jobs.find((candidate) => job.test(candidate.job));
    const ours = found?.results.find(({ flow }) => flow === 'ours');
    const other = found?.results.find(({ flow }) => flow === peer);
    if (ours === undefined || other === undefined) continue;
    const ratio = speedup(ours, other);
    goals.push({
      what,
      goal: `≥ ${atLeast} × faster`,
      measured: `${ratio.toFixed(2)} ×`,
      met: ratio >= atLeast,
    });
  }
  return [...goals, ...memoryGoals(jobs, memory), ...scratchGoals(jobs)];
}

function memoryGoals(jobs: readonly JobResult[], memory: readonly MemoryResult[]): Goal[] {
  const peaks = jobs
    .filter(({ job }) => job.includes('2 connections'))
    .flatMap(({ results }) => results.filter(({ flow }) => flow === 'ours'))
    .map(({ median }) => median.peakMemoryBytes ?? 0);
  const goals: Goal[] = [];
  if (peaks.length > 0) {
    const most = Math.max(...peaks);
    goals.push({
      what: 'memory with 2 streams',
      goal: '≤ 300 MB',
      measured: megabytes(most),
      met: most > 0 && most <= memoryLimitBytes,
    });
  }
  for (const [smallBytes, largeBytes] of memorySpans) {
    const [first, last] = [smallBytes, largeBytes].map((bytes) =>
      memory.find(({ textBytes }) => textBytes === bytes),
    );
    if (first === undefined || last === undefined) continue;
    for (const kind of ['backup', 'restore'] as const) {
      const [small, large] = [first[kind].peakMemoryBytes ?? 0, last[kind].peakMemoryBytes ?? 0];
      goals.push({
        what: `memory of the ${kind} from ${smallBytes / 1e9} to ${largeBytes / 1e9} GB`,
        goal: 'flat (within 10 %)',
        measured: `${megabytes(small)} → ${megabytes(large)}`,
        met: small > 0 && large <= small * flatWithin,
      });
    }
  }
  return goals;
}

function scratchGoals(jobs: readonly JobResult[]): Goal[] {
  const ours = jobs.flatMap(({ results }) => results.filter(({ flow }) => flow === 'ours'));
  if (ours.length === 0) return [];
  const most = Math.max(...ours.map(({ median }) => median.scratchBytes));
  // The schema passes through a file; it does not grow with the data.
  return [{ what: 'scratch disk', goal: 'none for data', measured: megabytes(most), met: most < 5e6 }];
}

const mostColdMs = 600;
const mostBundleBytes = 1.5e6;
const mostPageMs = 100;

export function judgeControlPlane(control: ControlPlaneResult | undefined): Goal[] {
  if (control === undefined) return [];
  const { functions, firstPageMs } = control;
  const cold = Math.max(...functions.map(({ coldMs }) => coldMs));
  const bundle = Math.max(...functions.map(({ bundleBytes }) => bundleBytes));
  return [
    {
      what: 'slowest first call of a function',
      goal: `≤ ${mostColdMs} ms`,
      measured: `${Math.round(cold)} ms`,
      met: cold <= mostColdMs,
    },
    {
      what: 'largest bundle of a function',
      goal: '≤ 1.5 MB',
      measured: `${(bundle / 1e6).toFixed(2)} MB`,
      met: bundle <= mostBundleBytes,
    },
    {
      what: 'first page out of 100,000 recovery points',
      goal: `≤ ${mostPageMs} ms`,
      measured: `${Math.round(firstPageMs)} ms`,
      met: firstPageMs <= mostPageMs,
    },
  ];
}

export function writeBench(
  report: BenchReport,
  folder: string,
): { readonly json: string; readonly markdown: string } {
  fs.mkdirSync(folder, { recursive: true });
  const files = { json: path.join(folder, 'bench.json'), markdown: path.join(folder, 'bench.md') };
  fs.writeFileSync(files.json, `${JSON.stringify(report, null, 2)}\n`);
  fs.writeFileSync(files.markdown, toMarkdown(report));
  return files;
}

const begin = '<!-- figures: npm run bench -- --docs writes them -->';
const end = '<!-- end of the figures -->';

/** Puts the figures between the two marks of the page. */
export function publish(report: BenchReport, page: string): void {
  const text = fs.readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no place for the figures: ${begin} … ${end}`);
  fs.writeFileSync(page, `${text.slice(0, from + begin.length)}\n\n${toMarkdown(report)}\n${text.slice(to)}`);
}

export function toMarkdown(report: BenchReport): string {
  const { machine, dataset } = report;
  const biggest = Math.max(...dataset.tables.map(({ textBytes }) => textBytes));
  const share = dataset.textBytes === 0 ? 0 : Math.round((biggest / dataset.textBytes) * 100);
  const facts = [
    `${report.at.slice(0, 10)} · ${Object.values(machine).join(' · ')}`,
    `Store: ${report.store}. Data: ${Math.round(dataset.textBytes / 1e6)} MB of table text in ${dataset.tables.length} tables, ${share} % of it in one (scale ${report.scale}). ${report.rounds} interleaved rounds, medians.`,
  ];
  return [
    facts.join('\n\n'),
    report.goals.length > 0 ? goalsTable(report.goals) : '',
    ...report.jobs.map(jobTable),
    report.memory.length > 0 ? memoryTable(report.memory) : '',
    report.control === undefined ? '' : controlTable(report.control),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

function goalsTable(goals: readonly Goal[]): string {
  const rows = goals.map(({ what, goal, measured, met }) => [
    what,
    goal,
    measured,
    met ? 'met' : '**not met**',
  ]);
  return table(['What', 'Goal', 'Measured', ''], rows);
}

function jobTable({ job, results }: JobResult): string {
  const ours = results.find(({ flow }) => flow === 'ours');
  const rows = results.map((result) => [result.name, ...figures(result.median), factor(ours, result)]);
  return `### ${job.charAt(0).toUpperCase()}${job.slice(1)}\n\n${table(
    ['How', 'Wall s', 'CPU s', 'Memory', 'Scratch disk', 'Holdfast is'],
    rows,
  )}`;
}

function factor(ours: Result | undefined, result: Result): string {
  if (ours === undefined || result === ours) return '';
  return `${speedup(ours, result).toFixed(2)} × as fast`;
}

const figures = (run: Measurement) => [
  run.seconds.toFixed(1),
  run.cpuSeconds.toFixed(1),
  run.peakMemoryBytes === null ? '?' : megabytes(run.peakMemoryBytes),
  run.scratchBytes < 1e6 ? '–' : megabytes(run.scratchBytes),
];

function memoryTable(memory: readonly MemoryResult[]): string {
  const rows = memory.map(({ textBytes, backup, restore }) => [
    `${textBytes / 1e9} GB`,
    backup.seconds.toFixed(1),
    megabytes(backup.peakMemoryBytes ?? 0),
    restore.seconds.toFixed(1),
    megabytes(restore.peakMemoryBytes ?? 0),
  ]);
  return `### Memory, more and more data in one table, 2 connections\n\n${table(
    ['Data', 'Backup s', 'Backup memory', 'Restore s', 'Restore memory'],
    rows,
  )}`;
}

function controlTable({ functions }: ControlPlaneResult): string {
  const rows = functions.map(({ name, bundleBytes, coldMs, warmMs }) => [
    name,
    `${(bundleBytes / 1e6).toFixed(2)} MB`,
    coldMs.toFixed(0),
    warmMs.toFixed(0),
  ]);
  return `### Functions in the sandbox, as their caller sees them\n\n${table(
    ['Function', 'Bundle', 'First call ms', 'Next call ms'],
    rows,
  )}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  // A | inside a cell would begin another one.
  const safe = rows.map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  return [line(head), line(head.map(() => '---')), ...safe.map(line)].join('\n');
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** What a reader needs to judge figures; nothing that names the machine. */
export function describeMachine(versions: Readonly<Record<string, string>>): Record<string, string> {
  const cpus = os.cpus();
  return {
    cpu: `${cpus.length} cores (${cpus[0]?.model.trim() ?? 'unknown'})`,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.platform()} ${os.release().split('-')[0] ?? ''}`,
    node: `Node ${process.versions.node}`,
    ...versions,
  };
}
