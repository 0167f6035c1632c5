import { HoldfastError } from '../core/errors.ts';
import { type CommonOptions, runCommand } from './run-command.ts';

/** What the sandbox says of itself after each command. */
interface SandboxReport {
  readonly endpoint?: string;
  readonly [more: string]: unknown;
}

type SandboxCall = (region?: string) => Promise<SandboxReport | void>;

const functions = {
  up: 'sandboxUp',
  down: 'sandboxDown',
  status: 'sandboxStatus',
  reset: 'sandboxReset',
  'kill-region': 'sandboxKillRegion',
  'revive-region': 'sandboxReviveRegion',
} as const;

type SandboxCommand = keyof typeof functions;

const said: Record<SandboxCommand, string> = {
  up: 'the sandbox is up',
  down: 'the sandbox is down; nothing of it is left',
  status: 'the sandbox runs',
  reset: 'everything in the sandbox was thrown away',
  'kill-region': 'the Region is dead',
  'revive-region': 'the Region is back',
};

/** `holdfast sandbox up|down|status|reset` */
export async function runSandbox(name: SandboxCommand, options: CommonOptions): Promise<void> {
  await runCommand(options, async ({ progress }) => {
    progress.update({ doing: `sandbox ${name}` });
    const report = (await (await sandboxCall(name))()) ?? {};
    return {
      json: report,
      text: [said[name], ...facts(report), ...(name === 'up' ? thingsToTry(report) : [])].join('\n'),
    };
  });
}

/** `holdfast sandbox kill-region|revive-region REGION` */
export async function switchRegion(
  name: 'kill-region' | 'revive-region',
  region: string,
  options: CommonOptions,
): Promise<void> {
  await runCommand(options, async () => {
    if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) {
      throw new HoldfastError('USAGE', `${JSON.stringify(region)} is no Region; it looks like us-east-1`);
    }
    const report = (await (await sandboxCall(name))(region)) ?? {};
    return { json: { region, ...report }, text: [`${said[name]}: ${region}`, ...facts(report)].join('\n') };
  });
}

async function sandboxCall(name: SandboxCommand): Promise<SandboxCall> {
  const module: Readonly<Record<string, unknown>> = await import('../sandbox/sandbox.ts');
  const found = module[functions[name]];
  if (typeof found === 'function') return found as SandboxCall;
  throw new HoldfastError('NOT_SUPPORTED_YET', `holdfast sandbox ${name} is not supported yet`, {
    hint: 'npm run drill starts a sandbox of its own',
  });
}

function facts(report: SandboxReport): string[] {
  return Object.entries(report).map(
    ([key, value]) => `  ${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
}

function thingsToTry({ endpoint }: SandboxReport): string[] {
  if (endpoint === undefined) return [];
  return [
    '',
    'Three things to try:',
    `  export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox AWS_REGION=us-east-1`,
    '  holdfast doctor --plan examples/drill.yaml',
    '  holdfast sandbox kill-region us-east-1 && holdfast status --plan examples/drill.yaml --region us-west-2',
  ];
}
