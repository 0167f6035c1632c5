// usage: npm run bench [-- --scale N --rounds N --memory --docs …]: figures side by side with peers, on this machine.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { postgresBinDirectory, startPostgres } from '../../sandbox/postgres/postgres-server.ts';
import { type ControlPlaneResult, controlPlaneJob } from './control-plane.ts';
import { loadBigTable, loadDataset } from './dataset.ts';
import {
  backupJob,
  type Bench,
  type JobResult,
  makeFolder,
  type MemoryResult,
  memoryJob,
  restoreJob,
  tableRestoreJob,
} from './jobs.ts';
import {
  type BenchReport,
  describeMachine,
  judge,
  judgeControlPlane,
  publish,
  toMarkdown,
  writeBench,
} from './report.ts';
import { openStore } from './store.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');
const parts = ['backup', 'restore', 'table', 'big', 'control'] as const;
const memoryGigabytes = [0.2, 1, 4, 10];

const options = new Command('npm run bench --')
  .description(
    'Backs up and restores the same database our way, the documented way and the best native way, in interleaved rounds.',
  )
  .option('--scale <n>', 'size of the database; 1 is about 1,100 MB of text', positive, 1)
  .option('--rounds <n>', 'how often everything is done', positive, 3)
  .option('--only <parts>', `some of ${parts.join(',')}`, parts.join(','))
  .option('--memory', `also the memory from ${memoryGigabytes.join(' to ')} GB (about 10 minutes)`, false)
  .option('--store <kind>', 'auto (a real S3 server if there is one) or directory', 'auto')
  .option('--docs', 'put the figures into docs/benchmarks.md', false)
  .addHelpText('after', '\nExample: npm run bench -- --scale 0.1 --rounds 1')
  .parse()
  .opts<{ scale: number; rounds: number; only: string; memory: boolean; store: string; docs: boolean }>();

function positive(text: string): number {
  const n = Number(text);
  if (!Number.isFinite(n) || n <= 0) throw new InvalidArgumentError('must be a number above 0');
  return n;
}

const cleanup = new AsyncDisposableStack();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void cleanup.disposeAsync().finally(() => process.exit(1));
  });
}

try {
  await run();
} finally {
  await cleanup.disposeAsync();
}

async function run(): Promise<void> {
  const say = (text: string) => process.stderr.write(`bench: ${text}\n`);
  const folder = makeFolder();
  cleanup.defer(() => fs.rmSync(folder, { recursive: true, force: true }));
  const store = await openStore(folder, options.store === 'directory' ? 'directory' : 'auto');
  cleanup.defer(() => store.stop());
  const server = await startPostgres({
    settings: { shared_buffers: '512MB', maintenance_work_mem: '256MB' },
  });
  cleanup.defer(() => server.destroy());
  say(`store: ${store.description}`);
  const bench: Bench = { server, store, folder, rounds: Math.round(options.rounds), say };
  say(`loading the data (scale ${options.scale}) …`);
  const dataset = await loadDataset(server, 'shop', options.scale);
  const jobs = await runParts(bench, dataset);
  const control = options.only.split(',').includes('control') ? await runControlPlane(bench) : undefined;
  const memory: MemoryResult[] = options.memory ? await memoryJob(bench, memoryGigabytes) : [];
  const report: BenchReport = {
    at: new Date().toISOString(),
    machine: describeMachine(toolVersions()),
    store: store.description,
    scale: options.scale,
    rounds: bench.rounds,
    dataset,
    jobs,
    memory,
    ...(control === undefined ? {} : { control }),
    goals: [...judge(jobs, memory), ...judgeControlPlane(control)],
  };
  const files = writeBench(report, path.join(projectRoot, 'out/bench'));
  if (options.docs) publish(report, path.join(projectRoot, 'docs/benchmarks.md'));
  process.stdout.write(`${toMarkdown(report)}\n`);
  say(`written: ${files.json}, ${files.markdown}`);
}

async function runParts(bench: Bench, dataset: Parameters<typeof backupJob>[1]): Promise<JobResult[]> {
  const wanted = new Set(options.only.split(','));
  const jobs: JobResult[] = [];
  const restores = wanted.has('restore') || wanted.has('table');
  if (wanted.has('backup') || restores) jobs.push(await backupJob(bench, dataset, 2));
  if (wanted.has('restore')) jobs.push(await restoreJob(bench, dataset, 2));
  if (wanted.has('table')) jobs.push(await tableRestoreJob(bench, dataset, 'shop.customers'));
  if (wanted.has('big')) {
    bench.say('loading a database with one big table …');
    jobs.push(await backupJob(bench, await loadBigTable(bench.server, 'big', options.scale), 4));
  }
  return jobs;
}

function runControlPlane({ rounds, say }: Bench): Promise<ControlPlaneResult> {
  say('deploying the control plane on a sandbox, with 100,000 recovery points …');
  return controlPlaneJob(rounds);
}

function toolVersions(): Record<string, string> {
  const first = (command: string, args: readonly string[]) =>
    execFileSync(command, args, { encoding: 'utf8' }).split('\n')[0]?.trim() ?? '';
  const versions: Record<string, string> = {
    postgres: first(path.join(postgresBinDirectory(18), 'postgres'), ['--version']).replace(
      'postgres (PostgreSQL)',
      'PostgreSQL',
    ),
    openssl: first('openssl', ['version']).split(' ').slice(0, 2).join(' '),
  };
  try {
    versions['zstd'] = /v[\d.]+/.exec(first('zstd', ['--version']))?.[0].replace('v', 'zstd ') ?? '';
  } catch {
    versions['zstd'] = "no zstd program: Node's own";
  }
  return versions;
}
