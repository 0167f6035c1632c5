// usage: npm run drill [-- --source postgres://… | --scale N | --keep | --sabotage WHAT | --out FOLDER | --json]
// The whole product rehearsing a disaster on this machine. Exit code 0 only if everything held.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parsePostgresUrl } from '../../cli/local/connection.ts';
import { HoldfastError } from '../../core/errors.ts';
import { type Sabotage, sabotages } from './drill-context.ts';
import { runDrill } from './run-drill.ts';
import { Terminal } from './terminal.ts';

const usage = `usage: npm run drill [-- OPTIONS]

Deploys Holdfast into a local AWS with two Regions, backs up a live PostgreSQL, switches one Region off,
restores in the other, and measures what was promised.

  --source postgres://…  use your own database instead, read-only (it is neither written to nor destroyed)
  --scale N              size of the generated shop; 1 is about 260 MB (default 1)
  --keep                 after a drill that passed, keep the standby Region and the restored database until Ctrl-C
  --sabotage WHAT        make a fault on purpose, to see that the drill notices: object, data, region (or several: object,data)
  --out FOLDER           where the report goes (default out/drill)
  --json                 print report.json on stdout
  --help`;

const { values } = parseArgs({
  options: {
    source: { type: 'string' },
    scale: { type: 'string', default: '1' },
    out: { type: 'string', default: 'out/drill' },
    keep: { type: 'boolean', default: false },
    sabotage: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(usage);
  process.exit(0);
}
const scale = Number(values.scale);
if (!Number.isFinite(scale) || scale <= 0 || scale > 1_000) {
  console.error(`--scale is ${values.scale}; allowed is a number above 0, at most 1000`);
  process.exit(2);
}
if (values.source !== undefined) {
  const problem = problemOf(values.source);
  if (problem !== undefined) {
    console.error(problem);
    process.exit(2);
  }
}
const known: ReadonlySet<string> = new Set(sabotages);
const isKnown = (word: string): word is Sabotage => known.has(word);
const asked = values.sabotage.split(',').filter((word) => word !== '');
if (!asked.every(isKnown)) {
  console.error(`--sabotage is ${values.sabotage}; allowed are ${sabotages.join(', ')}, several with commas`);
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => stop.abort(new HoldfastError('JOB_ABORTED', 'the drill was interrupted')));

const report = await runDrill(
  {
    scale,
    outFolder: path.resolve(values.out),
    signal: stop.signal,
    keep: values.keep,
    sabotage: new Set(asked),
    ...(values.source === undefined ? {} : { source: values.source }),
  },
  new Terminal(values.json ? process.stderr : process.stdout),
);
if (values.json) console.log(JSON.stringify(report, null, 2));
process.exit(report.ok ? 0 : 1);

/** What is wrong with the URL itself; the server is not asked. */
function problemOf(source: string): string | undefined {
  if (!/^postgres(ql)?:\/\/[^/]+\/.+/.test(source))
    return '--source must be postgres://user:password@host:port/database';
  try {
    parsePostgresUrl(source, process.env);
    return undefined;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const hint = error.hint === undefined ? '' : `\nhint: ${error.hint}`;
    return `${error.message.replaceAll('--url', '--source')}${hint}`;
  }
}
