import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliOptions, type CliResult, runCli } from '../../cli/testing/run-cli.ts';
import { root, wordsOf } from './commands.ts';
import { filledIn, type Places, sandboxPlays, withBothRegions, withoutPrimary } from './plays.ts';

const home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-play-'));
const environment: Record<string, string> = { HOLDFAST_SANDBOX_RECORDS: path.join(home, 'records') };
let places: Places;
let restored: string;

function run(text: string, options: CliOptions = {}): Promise<CliResult> {
  const [program, ...words] = wordsOf(text);
  expect(program).toBe('holdfast');
  return runCli(words, { cwd: home, env: environment, ...options });
}

async function query(url: string, text: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rowCount ?? 0;
  } finally {
    await client.end();
  }
}

/** Told to stop once it has written, as a service would be. */
async function untilWritten(text: string): Promise<CliResult> {
  const running: { stop?: () => void } = {};
  const ended = run(text, { onStart: (child) => (running.stop = () => child.kill('SIGINT')) });
  const over = ended.then(() => true);
  while ((await query(places.canaried, 'select from holdfast.canary')) === 0)
    if (await Promise.race([over, pause(100, false)])) break;
  running.stop?.();
  return ended;
}

/** How each ended; what reads the same once it is filled in is run once. */
const ended = new Map<string, Promise<CliResult>>();
async function play(documentedText: string): Promise<CliResult> {
  const text = filledIn(documentedText, places);
  const before = ended.get(text);
  if (before !== undefined) return before;
  const result = text.includes(' --every ') ? untilWritten(text) : run(text);
  ended.set(text, result);
  return result;
}

const told = ({ code, stderr }: CliResult) => ({ code, stderr: code === 0 ? '' : stderr });

beforeAll(async () => {
  fs.copyFileSync(path.join(root, 'examples/drill.yaml'), path.join(home, 'holdfast.yaml'));
  const up = await run(`${sandboxPlays.up} --json`);
  if (up.code !== 0) throw new Error(up.stderr);
  const { environment: exported, databases } = up.json();
  Object.assign(environment, exported);
  restored = databases.restored;
  for (const name of ['empty', 'canaried']) await query(restored, `create database ${name}`);
  const at = (name: string) => restored.replace(/\/postgres$/, `/${name}`);
  places = { shop: databases.shop, empty: at('empty'), canaried: at('canaried'), recoveryPoint: 'none yet' };
}, 300_000);
afterAll(async () => {
  await run(sandboxPlays.down);
  fs.rmSync(home, { recursive: true, force: true });
}, 60_000);

describe('with both Regions alive', () => {
  it.each(withBothRegions)('%s', async (text, code) => {
    const result = await play(text);
    expect(result.code, result.stderr).toBe(code);
    if (text === 'holdfast recovery-points shop-db --json')
      places = { ...places, recoveryPoint: result.json()[0].id };
  });
});

describe('with the primary Region dead', () => {
  it('which a command does', async () => {
    expect(told(await run(sandboxPlays.kill))).toEqual({ code: 0, stderr: '' });
    // From here on the same words may end otherwise.
    ended.clear();
  });

  it.each(withoutPrimary)('%s', async (text, code) => {
    const result = await play(text);
    expect(result.code, result.stderr).toBe(code);
    // The one target holds the table now; the whole database is restored next.
    if (text.includes(' --table ')) await query(restored, 'drop schema shop cascade');
  });

  it('has every customer where they were restored', async () => {
    expect(await query(restored, 'select from shop.customers')).toBeGreaterThan(100);
  });

  it('and brings it back, and leaves nothing', async () => {
    expect(told(await run(sandboxPlays.revive))).toEqual({ code: 0, stderr: '' });
    expect(told(await run(sandboxPlays.down))).toEqual({ code: 0, stderr: '' });
    expect(fs.existsSync(path.join(home, 'records'))).toBe(false);
  });
});
