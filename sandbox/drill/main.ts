// usage: npm run drill [-- --source postgres://… | --scale N | --keep | --sabotage WHAT | --out FOLDER | --json]
// The whole product rehearsing a disaster on this machine. Exit code 0 only if everything held.
import path from 'node:path';
import { Command, Option } from 'commander';
import { parsePostgresUrl } from '../../cli/local/connection.ts';
import { exitWithUsageError } from '../../cli/run-command.ts';
import { HoldfastError } from '../../core/errors.ts';
import { type Sabotage, sabotages } from './drill-context.ts';
import { runDrill } from './run-drill.ts';
import { Terminal } from './terminal.ts';

interface Asked {
  readonly source?: string;
  readonly scale: number;
  readonly keep?: boolean;
  readonly sabotage: ReadonlySet<Sabotage>;
  readonly out: string;
  readonly json?: boolean;
}

const command = new Command('npm run drill --')
  .description(
    'Deploys Holdfast into a local AWS with two Regions, backs up a live PostgreSQL, switches one Region off, restores in the other, and measures what was promised.',
  )
  .option(
    '--source <url>',
    'use your own database instead, read-only: it is neither written to nor destroyed',
    toSource,
  )
  .option('--scale <n>', 'size of the generated shop; 1 is about 260 MB', toScale, 1)
  .option('--keep', 'keep sandbox and databases running until Ctrl-C, also when the drill failed')
  .addOption(
    new Option(
      '--sabotage <what>',
      `make a fault on purpose, to see that the drill notices: ${sabotages.join(', ')} (several with commas)`,
    )
      .argParser(toSabotage)
      .default(new Set(), 'none'),
  )
  .option('--out <folder>', 'where the report goes', 'out/drill')
  .option('--json', 'print report.json on standard output')
  .exitOverride()
  .configureOutput({ outputError: () => undefined })
  .allowExcessArguments(false);

const args = process.argv.slice(2);
try {
  command.parse(args, { from: 'user' });
  const asked = command.opts<Asked>();
  if (asked.source !== undefined && asked.sabotage.has('data')) {
    throw new HoldfastError(
      'USAGE',
      '--sabotage data damages rows of the generated shop, which a drill with --source does not have',
      {
        hint: 'with --source take --sabotage object or region',
      },
    );
  }
  await drill(asked);
} catch (error) {
  exitWithUsageError(error, { program: command, args });
}

async function drill({ source, scale, keep = false, sabotage, out, json }: Asked): Promise<never> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => stop.abort(new HoldfastError('JOB_ABORTED', 'the drill was interrupted')));
  const report = await runDrill(
    {
      scale,
      outFolder: path.resolve(out),
      signal: stop.signal,
      keep,
      sabotage,
      ...(source === undefined ? {} : { source }),
    },
    new Terminal(json === true ? process.stderr : process.stdout),
  );
  if (json === true) console.log(JSON.stringify(report, null, 2));
  process.exit(report.ok ? 0 : 1);
}

function toScale(text: string): number {
  const scale = Number(text);
  if (Number.isFinite(scale) && scale > 0 && scale <= 1_000) return scale;
  throw new HoldfastError(
    'USAGE',
    `--scale is ${JSON.stringify(text)}; allowed is a number above 0, at most 1000`,
  );
}

function toSabotage(text: string): ReadonlySet<Sabotage> {
  const known: ReadonlySet<string> = new Set(sabotages);
  const isKnown = (word: string): word is Sabotage => known.has(word);
  const words = text.split(',');
  if (words.every(isKnown)) return new Set(words);
  throw new HoldfastError(
    'USAGE',
    `--sabotage is ${JSON.stringify(text)}; allowed are ${sabotages.join(', ')}, several with commas`,
  );
}

/** Looks at the URL itself; the server is not asked. */
function toSource(source: string): string {
  try {
    parsePostgresUrl(source, process.env);
    return source;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    throw new HoldfastError(error.code, error.message.replaceAll('--url', '--source'), hint);
  }
}
