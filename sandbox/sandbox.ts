import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type LocalAws, startAws } from './aws/local-aws.ts';
import { freePort } from './postgres/postgres-server.ts';
import { stopExecutions } from './region-switch.ts';
import type { CallCount } from './router/call-ledger.ts';
import type { Faults } from './router/faults.ts';
import { type Router, startRouter } from './router/router.ts';

const projectRoot = path.resolve(import.meta.dirname, '..');

export interface SandboxOptions {
  /** @default a free one */
  readonly port?: number;
  /** Further environment of every task process, e.g. a shorter progress interval. */
  readonly taskEnvironment?: Readonly<Record<string, string>>;
  /** Programs for further image names; for tests of the sandbox itself. */
  readonly programs?: Readonly<Record<string, readonly string[]>>;
}

/** A local AWS behind a router, with Regions that can die. Everything listens on loopback and goes with `down`. */
export interface Sandbox {
  /** The only endpoint that clients get. */
  readonly endpoint: string;
  readonly directory: string;
  readonly faults: Faults;
  /** What a process in that Region needs to reach the sandbox. */
  environment(region: string): Record<string, string>;
  counts(): Readonly<Record<string, number>>;
  /** Calls that ended since the last reset, by caller: `sandbox` (commands), `function` (Lambda), `task`, or whoever signed. */
  calls(): readonly CallCount[];
  resetCounts(): void;
  /** Resets connections, kills task processes, stops executions and silences schedules of that Region. */
  killRegion(region: string): Promise<void>;
  /** What was there is there again; what was killed stays dead. */
  reviveRegion(region: string): Promise<void>;
  deadRegions(): readonly string[];
  down(): Promise<void>;
}

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const port = options.port ?? (await freePort());
  const endpoint = `http://127.0.0.1:${port}`;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-sandbox-'));
  // Task processes that run PostgreSQL as another user must be able to enter.
  fs.chmodSync(directory, 0o755);
  const containers = path.join(directory, 'containers');
  const settingsFile = path.join(directory, 'containers.json');
  fs.writeFileSync(settingsFile, JSON.stringify(containerSettings(endpoint, containers, options)));
  const aws = await startAws({
    settings: {
      HOLDFAST_CONTAINERS: settingsFile,
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: 'function',
      AWS_SECRET_ACCESS_KEY: 'function',
    },
  });
  const router = await startRouter({ upstream: aws.endpoint, port }).catch(async (error: unknown) => {
    await aws.stop();
    throw error;
  });
  return assemble({ aws, router, directory, containers });
}

interface Parts {
  readonly aws: LocalAws;
  readonly router: Router;
  readonly directory: string;
  readonly containers: string;
}

function assemble({ aws, router, directory, containers }: Parts): Sandbox {
  const announce = () =>
    fs.writeFileSync(path.join(aws.directory, 'dead-regions'), router.deadRegions().join('\n'));
  return {
    endpoint: router.endpoint,
    directory,
    faults: router.faults,
    environment: (region) => ({
      AWS_ENDPOINT_URL: router.endpoint,
      AWS_ACCESS_KEY_ID: 'sandbox',
      AWS_SECRET_ACCESS_KEY: 'sandbox',
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
    }),
    counts: () => router.counts(),
    calls: () => router.calls(),
    resetCounts: () => router.resetCounts(),
    killRegion: async (region) => {
      router.killRegion(region);
      announce();
      // Straight to the emulator: the router no longer lets anyone into that Region. Executions first, or one would still
      // see its task fail and act on that.
      await stopExecutions(aws.endpoint, region);
      killContainers(containers, (facts) => facts.region === region);
    },
    reviveRegion: async (region) => {
      router.reviveRegion(region);
      announce();
    },
    deadRegions: () => router.deadRegions(),
    down: async () => {
      killContainers(containers, () => true);
      await router.close();
      await aws.stop();
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}

function containerSettings(endpoint: string, directory: string, options: SandboxOptions) {
  const nodeDirectory = path.join(projectRoot, 'node_modules/node/bin');
  return {
    node: path.join(nodeDirectory, 'node'),
    project: projectRoot,
    endpoint,
    directory,
    path: [nodeDirectory, '/usr/local/bin', '/usr/bin', '/bin'].join(path.delimiter),
    programs: options.programs ?? {},
    environment: {
      HOLDFAST_POSTGRES_BIN: path.join(projectRoot, '.cache/postgres/{major}/bin'),
      ...options.taskEnvironment,
    },
  };
}

interface ContainerFacts {
  readonly pid: number;
  readonly region: string;
  readonly taskArn: string;
  readonly image: string;
  readonly log: string;
}

/** The processes that stand for containers, as the launcher wrote them down. */
export function listContainers(directory: string): ContainerFacts[] {
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => readContainer(path.join(directory, name)));
}

/** Nothing of one that is removed meanwhile. */
function readContainer(file: string): ContainerFacts[] {
  try {
    return [JSON.parse(fs.readFileSync(file, 'utf8')) as ContainerFacts];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function killContainers(directory: string, which: (facts: ContainerFacts) => boolean): void {
  for (const facts of listContainers(directory).filter(which)) {
    try {
      // Each container leads a process group of its own, children included.
      process.kill(-facts.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
