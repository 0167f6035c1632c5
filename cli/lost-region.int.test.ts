import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import { examplePoint } from '../core/catalog/recovery-point.conformance.ts';
import { loadPlan } from '../core/plan/load-plan.ts';
import { deploymentNames } from '../core/plan/names.ts';
import { backUp } from '../core/vault/testing/vault-fixture.ts';
import { type Router, startRouter } from '../sandbox/router/router.ts';
import { openDeployedVault } from './deployed/vault.ts';
import { type EmulatedDeployment, emulateDeployment } from './testing/emulated-deployment.ts';
import { runHere } from './testing/run-here.ts';

const example = path.resolve(import.meta.dirname, '../examples/drill.yaml');
const plan = await loadPlan(example);
const names = deploymentNames(plan);
const { primary, standby } = plan.regions;
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-lost-'));
const before = { ...process.env };
let deployment: EmulatedDeployment;
let router: Router;

const planFile = path.join(home, 'drill.yaml');
const named = `--plan ${planFile}`;
const run = (words: string) => runHere(`${words} ${named}`);

beforeAll(async () => {
  fs.copyFileSync(example, planFile);
  deployment = await emulateDeployment(plan);
  router = await startRouter({ upstream: deployment.aws.endpoint });
  Object.assign(process.env, deployment.aws.environment, { AWS_ENDPOINT_URL: router.endpoint });
  // Made in the primary and, as replication does, there in both Regions.
  const { id } = await backUp(await openDeployedVault({ names, plan, region: standby }), 'shop-db');
  for (const region of [primary, standby]) {
    const client = new DynamoDBClient(deployment.settings(region));
    const catalog = createDynamoCatalogStore({ client, table: names.table });
    await catalog.setControl({ activeRegion: primary, epoch: 1 }, undefined);
    const now = new Date().toISOString();
    const state = { state: 'protected', protectedAt: now, startedAt: now } as const;
    await catalog.putRecoveryPoint(examplePoint('shop-db', id, state));
  }
});
afterEach(() => {
  router.faults.clear();
  for (const region of router.deadRegions()) router.reviveRegion(region);
});
afterAll(async () => {
  process.env = before;
  await router?.close();
  await deployment?.aws.stop();
  fs.rmSync(home, { recursive: true, force: true });
});

/** What the Region that was asked does not tell, and what to type instead, word for word. */
const asked: readonly [command: string, undone: string, instead: string][] = [
  [
    'jobs --source shop-db',
    'jobs were not listed',
    `holdfast jobs --source shop-db ${named} --region ${standby}`,
  ],
  ['status', 'nothing is known of shop-db', `holdfast status ${named} --region ${standby}`],
  [
    'recovery-points shop-db',
    'recovery points were not listed',
    `holdfast recovery-points shop-db ${named} --region ${standby}`,
  ],
  [
    'verify latest --deep',
    'recovery point latest of shop-db was not verified',
    `holdfast verify latest --source shop-db --deep ${named} --region ${standby}`,
  ],
  [
    'catalog rebuild --dry-run',
    'what a rebuild would change is not known',
    `holdfast catalog rebuild --dry-run --peer-lost ${named} --region ${standby}`,
  ],
  [
    'backup shop-db',
    'the backup of shop-db was not started',
    'backups run in the active Region alone; to recover there: docs/runbook.md, Disaster recovery',
  ],
  [
    'restore-test shop-db',
    'the restore-test of shop-db was not started',
    `holdfast restore-test shop-db ${named} --region ${standby}`,
  ],
];

/** The commands of the hints above, and how they end while the primary is dead. */
const insteads: readonly [command: string, code: number, warning: RegExp | string][] = [
  [
    `jobs --region ${standby}`,
    6,
    /may be missing below, and jobs that ran there have most likely ended.*recovery-points/,
  ],
  [`status --region ${standby}`, 6, `holdfast verify latest --source SOURCE ${named} --region ${standby}`],
  [
    `recovery-points shop-db --region ${standby}`,
    6,
    `holdfast catalog rebuild --dry-run --peer-lost ${named} --region ${standby}`,
  ],
  [
    `verify latest --source shop-db --deep --region ${standby}`,
    0,
    `only the copy in ${standby} was looked at, and newer points may be in ${primary} alone`,
  ],
  [`catalog rebuild --dry-run --region ${standby}`, 6, 'the copies there were not looked at; if it is lost'],
  [
    `restore latest --source shop-db --to shop-db-restored --region ${standby}`,
    0,
    `latest is the newest point that is whole in ${standby}`,
  ],
  [`restore-test shop-db --region ${standby}`, 0, 'latest is the newest point'],
];

describe('a command whose Region does not answer', () => {
  it.each(asked)(
    '%s: says in one line what is not known, and what to type',
    async (words, undone, instead) => {
      router.killRegion(primary);
      const { code, stdout, stderr } = await run(words);
      expect([code, stdout]).toEqual([1, '']);
      const [error, hint, ...rest] = stderr.trimEnd().split('\n');
      expect(error).toMatch(
        new RegExp(`^error: ${primary} does not answer \\(.*\\): ${undone} \\([A-Z_]+\\)$`),
      );
      expect(hint?.startsWith(`hint: ${standby} answers: ${instead}`), hint).toBe(true);
      expect(rest).toEqual([]);
    },
  );

  it('restore: names a target of the other Region, for its own does not serve there', async () => {
    router.killRegion(standby);
    const told = await run(`restore latest --source shop-db --to shop-db-restored --region ${standby}`);
    expect([told.code, told.stderr.split('\n')[1]]).toEqual([
      1,
      `hint: ${primary} answers: the plan has no target there; docs/paper-restore.md restores without one`,
    ]);
  });

  it('names no Region that does not answer either', async () => {
    router.killRegion(primary);
    router.killRegion(standby);
    const { code, stderr } = await run('status');
    expect([code, stderr.split('\n')[1]]).toEqual([
      1,
      `hint: ${standby} does not answer either: has this machine a way to AWS?`,
    ]);
  });
});

describe('a command while the other Region does not answer', () => {
  it.each(insteads)('%s: ends with %d and one warning', async (words, code, warning) => {
    router.killRegion(primary);
    const told = await run(words);
    expect(told.code, told.stderr).toBe(code);
    expect(told.stdout).not.toBe('');
    const lines = told.stderr.trimEnd().split('\n');
    expect(lines).toEqual([expect.stringMatching(warning)]);
    expect(lines[0]).toMatch(new RegExp(`^warning: ${primary} does not answer`));
  });

  it('tells it to programs too', async () => {
    router.killRegion(primary);
    const { stdout } = await run(`status --region ${standby} --json`);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, notAnswering: [primary] });
  });
});

describe('a command while both Regions answer', () => {
  it.each(['jobs', 'status', 'recovery-points', 'verify latest', 'catalog rebuild --dry-run'])(
    '%s: ends with 0 and no warning',
    async (words) => {
      const { code, stderr } = await run(`${words} --region ${standby}`);
      expect([code, stderr]).toEqual([0, '']);
    },
  );
});

describe('a rebuild with --peer-lost', () => {
  it('does not ask a Region that is said to be lost, and then misses nothing', async () => {
    router.killRegion(primary);
    router.resetCounts();
    const { code, stderr } = await run(`catalog rebuild --peer-lost --region ${standby}`);
    expect([code, stderr]).toEqual([0, '']);
    expect(router.calls().filter(({ region }) => region === primary)).toEqual([]);
  });
});
