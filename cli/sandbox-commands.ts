import type { DetachedSandbox, SandboxStatus } from '../sandbox/detached.ts';
import { HoldfastError } from '../core/errors.ts';
import { counted, formatCount } from './progress.ts';
import { type CommandContext, type CommonOptions, runCommand } from './run-command.ts';

export interface UpOptions extends CommonOptions {
  readonly deploy?: boolean;
  readonly port?: string;
}

/** `holdfast sandbox up` */
export async function runUp(options: UpOptions): Promise<void> {
  await runCommand(options, async (context) => {
    const port = readPort(options.port);
    const { sandboxUp } = await import('../sandbox/detached.ts');
    const up = await following(context, (onStep) =>
      sandboxUp({
        onStep,
        signal: context.signal,
        deploy: options.deploy !== false,
        ...(port !== undefined && { port }),
      }),
    );
    return { json: up, text: describeUp(up, up.started ? 'The sandbox is up.' : 'The sandbox is running.') };
  });
}

/** `holdfast sandbox reset` */
export async function runReset(options: CommonOptions): Promise<void> {
  await runCommand(options, async (context) => {
    const { sandboxReset } = await import('../sandbox/detached.ts');
    const up = await following(context, (onStep) => sandboxReset({ onStep, signal: context.signal }));
    return { json: up, text: describeUp(up, 'Everything in the sandbox was thrown away and made anew.') };
  });
}

/** `holdfast sandbox down` */
export async function runDown(options: CommonOptions): Promise<void> {
  await runCommand(options, async () => {
    const { sandboxDown } = await import('../sandbox/detached.ts');
    const down = await sandboxDown();
    return {
      json: down,
      text: down.stopped === null ? 'No sandbox is running.' : 'The sandbox is down; nothing of it is left.',
    };
  });
}

/** `holdfast sandbox status` */
export async function runStatus(options: CommonOptions): Promise<void> {
  await runCommand(options, async () => {
    const { sandboxStatus } = await import('../sandbox/detached.ts');
    const status = await sandboxStatus();
    return { json: status, text: describeStatus(status) };
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
    const { sandboxKillRegion, sandboxReviveRegion } = await import('../sandbox/detached.ts');
    const kill = name === 'kill-region';
    const status = await (kill ? sandboxKillRegion(region) : sandboxReviveRegion(region));
    const said = kill
      ? `${region} is dead, its database too.`
      : `${region} is back with everything that was stored there.`;
    return { json: { region, ...status }, text: `${said}\n\n${describeStatus(status)}` };
  });
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new HoldfastError('USAGE', `--port ${JSON.stringify(text)} is not a port; allowed is 1 to 65535`);
}

/** Every step as it comes; on a terminal also how long the current one takes. */
async function following<T>(
  { progress }: CommandContext,
  work: (onStep: (step: string) => void) => Promise<T>,
): Promise<T> {
  let step = '';
  let since = Date.now();
  const tick = setInterval(() => {
    if (step !== '') progress.update({ doing: `${step} (${Math.round((Date.now() - since) / 1000)} s)` });
  }, 1000);
  try {
    return await work((next) => {
      [step, since] = [next, Date.now()];
      progress.say(next);
    });
  } finally {
    clearInterval(tick);
  }
}

function describeUp(up: DetachedSandbox, first: string): string {
  const { primary, standby } = up.regions;
  const plan = '--plan examples/drill.yaml';
  const exports = Object.entries(up.environment).map(([name, value]) => `${name}=${value}`);
  const lines = [
    first,
    `  endpoint  ${up.endpoint}`,
    `  Regions   ${primary} (primary), ${standby} (standby)`,
    `  shop      ${up.databases.shop}`,
    `  restored  ${up.databases.restored} (empty)`,
    '',
    'For this shell:',
    `  export ${exports.join(' ')}`,
  ];
  if (!up.deployed) return lines.join('\n');
  return [
    ...lines,
    '',
    'Three things to try:',
    `  npx holdfast backup shop-db --wait ${plan}`,
    `  npx holdfast sandbox kill-region ${primary}`,
    `  npx holdfast restore latest --source shop-db --to shop-db-restored ${plan} --region ${standby} --wait`,
  ].join('\n');
}

function describeStatus(status: SandboxStatus): string {
  const regions = Object.entries(status.regions).map(([region, alive]) => {
    const count = status.containers[region] ?? 0;
    return `  ${region}  ${alive.padEnd(5)}  ${counted(count, 'container')} running`;
  });
  const calls = Object.entries(status.calls);
  const total = calls.reduce((sum, [, count]) => sum + count, 0);
  const busiest = calls.slice(0, 6).map(([service, count]) => `  ${service}  ${formatCount(count)}`);
  return [
    `The sandbox runs since ${status.since} at ${status.endpoint}${status.deployed ? '' : ' (nothing deployed)'}`,
    ...regions,
    `${counted(total, 'call')}${busiest.length > 0 ? ', most of them:' : ''}`,
    ...busiest,
  ].join('\n');
}
