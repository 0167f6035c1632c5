import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { checkPlan, loadPlan, readPlanText } from './load-plan.ts';
import { formatProblem } from './plan-problem.ts';

const now = new Date('2026-11-21T10:00:00Z');
const examples = path.resolve(import.meta.dirname, '../../examples');

const base = `name: acme
account: "111122223333"
regions: { primary: us-east-1, standby: us-west-2 }
vault: { retentionDays: 400 }
sources:
  shop-db:
    engine: postgres
    tier: 4
    connection: { secret: shop-db/backup }
    schedule: { full: "rate(6 hours)" }
`;

/** The base plan with one thing changed: `change('sources.shop-db.tier', 9)`. */
function change(at: string, value: unknown): string {
  const plan = parse(base);
  const steps = at.split('.');
  const last = steps.pop() as string;
  let node = plan;
  for (const step of steps) node = node[step] ??= {};
  node[last] = value;
  return stringify(plan);
}

const check = (text: string) => checkPlan(text, 'holdfast.yaml', { now });
const problemsOf = (text: string) => check(text).problems;
/** Expects exactly one problem and gives it. */
function only(text: string) {
  const problems = problemsOf(text);
  expect(problems.map(formatProblem)).toHaveLength(1);
  return problems[0]!;
}

describe('checkPlan', () => {
  it('resolves a plan with presets and defaults', () => {
    const { plan, problems } = check(base);
    expect(problems).toEqual([]);
    expect(plan).toMatchObject({
      vault: { lock: 'compliance', replicationTimeControl: true },
      targets: [],
      sources: [
        {
          id: 'shop-db',
          objectives: { tier: 4, rpoSeconds: 8 * 3600, rtoSeconds: 24 * 3600 },
          connection: { secret: 'shop-db/backup', tls: 'verify-full', iam: false },
          schedule: { full: 'rate(6 hours)', timezone: 'UTC', intervalSeconds: 6 * 3600 },
          onDdl: 'yield',
          connections: 4,
        },
      ],
    });
  });

  it('lets own objectives override a preset', () => {
    const { plan } = check(change('sources.shop-db.rpo', 'PT7H30M'));
    expect(plan?.sources[0]?.objectives).toEqual({ tier: 4, rpoSeconds: 27_000, rtoSeconds: 86_400 });
  });

  it.each(fs.readdirSync(examples).filter((name) => name.endsWith('.yaml')))(
    'passes examples/%s',
    async (name) => {
      const file = path.join(examples, name);
      expect(checkPlan(await readPlanText(file), file).problems.map(formatProblem)).toEqual([]);
    },
  );

  it('says where, what, what is allowed and a hint', () => {
    const problem = problemsOf(base.replace('tier: 4', 'teir: 4')).find((p) => p.path.endsWith('teir'));
    expect(formatProblem(problem!).split('\n')).toEqual([
      'holdfast.yaml:8:5: sources.shop-db.teir is not a key of the plan',
      expect.stringMatching(/^ {2}allowed: engine, tier, priority/),
      '  hint: did you mean tier?',
    ]);
  });

  it('places a wrong value at the value and a missing key at its mapping', () => {
    expect(only(base.replace('tier: 4', 'tier: 9'))).toMatchObject({
      line: 8,
      column: 11,
      value: '9',
      allowed: '1, 2, 3, 4 or 5',
    });
    expect(only(base.replace('primary: us-east-1, ', ''))).toMatchObject({
      line: 3,
      column: 1,
      path: 'regions.primary',
    });
  });

  it('shows all of 200 mistakes, in the order of the file', () => {
    const sources = Array.from(
      { length: 50 },
      (_, i) =>
        `  db-${i}:\n    engine: postgres\n    tier: ${i + 6}\n    conections: 2\n    connection: { secret: "a b" }\n    schedule: { full: "cron(0 2 30 2 ? *)" }\n`,
    );
    const problems = problemsOf(base.replace(/sources:[^]*/, `sources:\n${sources.join('')}`));
    expect(problems).toHaveLength(200);
    expect(problems.map((p) => p.line)).toEqual(problems.map((p) => p.line).toSorted((a, b) => a - b));
    for (let i = 0; i < 50; i += 1)
      expect(problems.filter((p) => p.path.startsWith(`sources.db-${i}.`))).toHaveLength(4);
  });

  it('looks below an id that it refuses', () => {
    const paths = problemsOf(base.replace('shop-db:', 'Shop DB:').replace('tier: 4', 'tier: 9')).map(
      (p) => p.path,
    );
    expect(paths).toEqual(['sources.Shop DB', 'sources.Shop DB.tier']);
  });
});

describe('the worst loss', () => {
  // tier 4: RPO 8 h = interval + 1 h assumed + 15 min
  it('takes an interval that just fits and refuses a minute more', () => {
    expect(problemsOf(change('sources.shop-db.schedule.full', 'rate(405 minutes)'))).toEqual([]);
    const problem = only(change('sources.shop-db.schedule.full', 'rate(406 minutes)'));
    expect(problem).toMatchObject({
      code: 'PLAN_INVALID',
      path: 'sources.shop-db.schedule.full',
      message: 'sources.shop-db can lose 8 h 1 min at worst, more than its RPO of 8 h',
      allowed: 'at most 6 h 45 min between two runs',
    });
    expect(problem.value).toContain('1 h run time (assumed: runTime is not given)');
  });

  it('counts the run time that the plan gives', () => {
    const plan = parse(base);
    plan.sources['shop-db'].runTime = '5m';
    plan.sources['shop-db'].schedule.full = 'rate(460 minutes)';
    expect(problemsOf(stringify(plan))).toEqual([]);
    plan.sources['shop-db'].runTime = '6m';
    expect(only(stringify(plan)).message).toContain('8 h 1 min at worst');
  });

  it('says so when no interval fits', () => {
    expect(only(change('sources.shop-db.tier', 1)).allowed).toContain('no schedule fits');
  });

  it('counts the run that a clock change skips', () => {
    const plan = parse(base);
    Object.assign(plan.sources['shop-db'], { tier: 5, rpo: '26h', runTime: '30m' });
    plan.sources['shop-db'].schedule = { full: 'cron(30 2 * * ? *)', timezone: 'UTC' };
    expect(problemsOf(stringify(plan))).toEqual([]);
    plan.sources['shop-db'].schedule.timezone = 'Europe/Berlin';
    expect(only(stringify(plan))).toMatchObject({ hint: expect.stringContaining('timezone UTC') });
  });

  it('states its assumption for a plan that passes', () => {
    const notes = check(base).notes.map((note) => note.message);
    expect(notes.join()).toContain('1 h run time (assumed until runTime is given)');
  });
});

describe('the rules', () => {
  it.each<[what: string, at: string, value: unknown, path: string, message: string]>([
    [
      'standby equal to primary',
      'regions.standby',
      'us-east-1',
      'regions.standby',
      'which is the primary too',
    ],
    [
      'a network of another Region',
      'network',
      {
        'eu-west-1': {
          vpcId: 'vpc-1',
          subnetIds: ['subnet-1'],
          azs: ['eu-west-1a'],
          securityGroupIds: ['sg-1'],
        },
      },
      'network.eu-west-1',
      'no Region of this plan',
    ],
    [
      'a target in another Region',
      'targets',
      { t1: { region: 'us-west-1', connection: { secret: 's' } } },
      'targets.t1.region',
      'us-west-1 is no Region',
    ],
    [
      'a target that is the live database',
      'targets',
      { t1: { region: 'us-west-2', connection: { secret: 'shop-db/backup' } } },
      'targets.t1.connection.secret',
      'into the live database',
    ],
    [
      'a target with the id of a source',
      'targets',
      { 'shop-db': { region: 'us-west-2', connection: { secret: 's' } } },
      'targets.shop-db',
      'has the id of a source',
    ],
    [
      'both presets',
      'sources.shop-db.priority',
      'LOW',
      'sources.shop-db.priority',
      'both a tier and a priority',
    ],
    ['no objectives', 'sources.shop-db.tier', undefined, 'sources.shop-db', 'states no objectives'],
    [
      'incremental for an engine without it',
      'sources.shop-db.schedule.incremental',
      'rate(1 hour)',
      'sources.shop-db.schedule.incremental',
      'no incremental backups',
    ],
    [
      'an unknown time zone',
      'sources.shop-db.schedule.timezone',
      'Europe/Berln',
      'sources.shop-db.schedule.timezone',
      'is no time zone',
    ],
    [
      'a cron that never fires',
      'sources.shop-db.schedule.full',
      'cron(0 0 30 2 ? *)',
      'sources.shop-db.schedule.full',
      'never fires',
    ],
    ['no source at all', 'sources', {}, 'sources', 'holds no source'],
    ['an account that YAML takes for a number', 'account', 111122223333, 'account', 'does not fit'],
    ['a Region of another partition', 'regions.standby', 'cn-north-1', 'regions.standby', 'does not fit'],
    [
      'an ARN for a secret',
      'sources.shop-db.connection.secret',
      'arn:aws:secretsmanager:us-east-1:1:secret:x',
      'sources.shop-db.connection.secret',
      'does not fit',
    ],
    ['a duration without a unit', 'sources.shop-db.runTime', 20, 'sources.shop-db.runTime', 'does not fit'],
    [
      'a missing break-glass key',
      'vault.breakGlassKey',
      './nowhere.pem',
      'vault.breakGlassKey',
      'no readable file',
    ],
  ])('refuses %s', (_what, at, value, where, message) => {
    const problem = only(change(at, value));
    expect(problem.path).toBe(where);
    expect(problem.message).toContain(message);
    expect(problem.code).toBe('PLAN_INVALID');
  });

  it.each<[what: string, at: string, value: unknown, path: string]>([
    [
      'failover groups',
      'failoverGroups',
      { shop: { database: 'shop-db', mode: 'automatic' } },
      'failoverGroups',
    ],
    ['tenants', 'sources.shop-db.tenants', { column: 'tenant_id' }, 'sources.shop-db.tenants'],
    ['IAM authentication', 'sources.shop-db.connection.iam', true, 'sources.shop-db.connection.iam'],
    ['a third Region', 'regions.tertiary', 'eu-west-1', 'regions.tertiary'],
    [
      'Slack',
      'notifications',
      { oncall: { sns: true, slack: 'slack/webhook' } },
      'notifications.oncall.slack',
    ],
    ['another engine', 'sources.shop-db.engine', 'mysql', 'sources.shop-db.engine'],
  ])('says that %s is not supported yet', (_what, at, value, where) => {
    expect(only(change(at, value))).toMatchObject({ code: 'NOT_SUPPORTED_YET', path: where });
  });

  it('names a failover member that does not exist besides', () => {
    const problems = problemsOf(change('failoverGroups', { shop: { database: 'shop-bd' } }));
    expect(problems.map((p) => [p.code, p.path])).toEqual([
      ['NOT_SUPPORTED_YET', 'failoverGroups'],
      ['PLAN_INVALID', 'failoverGroups.shop.database'],
    ]);
    expect(problems[1]?.hint).toBe('did you mean shop-db?');
  });
});

describe('lock and storage classes', () => {
  it('takes a retention as long as the lock and refuses a day more', () => {
    const with_ = (retention: object) => change('sources.shop-db.retention', retention);
    expect(problemsOf(with_({ daily: 400, weekly: 57, monthly: 12 }))).toEqual([]);
    expect(only(with_({ daily: 401 }))).toMatchObject({
      path: 'sources.shop-db.retention.daily',
      value: '401',
    });
    expect(only(with_({ weekly: 58 })).allowed).toContain('406 or more (it is 400), or 57 weekly');
    expect(only(with_({ monthly: 13 })).allowed).toContain('403 or more');
  });

  it.each<[tiers: object, retention: number, ok: boolean]>([
    [{ warmAfterDays: 7 }, 97, true],
    [{ warmAfterDays: 7 }, 96, false], // Glacier Instant Retrieval bills 90 days
    [{ warmAfterDays: 30 }, 60, true],
    [{ warmAfterDays: 30 }, 59, false], // Standard-IA bills 30
    [{ coldAfterDays: 90 }, 270, true],
    [{ coldAfterDays: 90 }, 269, false], // Deep Archive bills 180
    [{ warmAfterDays: 30, coldAfterDays: 60 }, 400, true],
    [{ warmAfterDays: 30, coldAfterDays: 59 }, 400, false], // S3 wants 30 days in Standard-IA
    [{ warmAfterDays: 7, coldAfterDays: 8 }, 400, true],
    [{ warmAfterDays: 7, coldAfterDays: 7 }, 400, false],
    [{ warmAfterDays: 90, coldAfterDays: 30 }, 400, false],
  ])('with %j and %d days: %s', (tiers, retentionDays, ok) => {
    expect(problemsOf(change('vault', { tiers, retentionDays })).length === 0).toBe(ok);
  });

  it('tells of the fee for leaving a class early', () => {
    const notes = check(change('vault.tiers', { warmAfterDays: 7, coldAfterDays: 90 })).notes.map(
      (n) => n.message,
    );
    expect(notes).toContainEqual(expect.stringContaining('83 days in GLACIER_IR and is billed for 90'));
  });
});

describe('secrets in clear', () => {
  it.each<[at: string, value: unknown]>([
    ['sources.shop-db.connection.password', 'hunter2-hunter2'],
    ['sources.shop-db.connection.url', 'postgres://u:hunter2-hunter2@h/db'],
    ['sources.shop-db.connection.secret', 'postgres://u:hunter2-hunter2@h/db'],
    ['sources.shop-db.checks', [{ name: 'x', sql: "select dblink('host=h password=hunter2-hunter2')" }]],
    ['sources.shop-db.checks', [{ name: 'AKIAABCDEFGHIJKLMNOP', sql: 'select true' }]],
    ['notifications', { oncall: { sns: true, webhook: 'https://u:hunter2-hunter2@example.com' } }],
  ])('refuses and never prints what stands at %s', (at, value) => {
    const problems = problemsOf(change(at, value));
    expect(problems.some((p) => p.message.includes('secret in clear'))).toBe(true);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
    expect(JSON.stringify(problems)).not.toContain('AKIAABCDEFGHIJKLMNOP');
  });
});

describe('the text', () => {
  it.each<[what: string, text: string, message: string, line: number]>([
    ['a duplicate key', `${base}name: other\n`, 'stands here twice', 11],
    ['a duplicate id', `${base}  shop-db: { engine: postgres }\n`, 'stands here twice', 11],
    ['a tab', base.replace('    tier', '\ttier'), 'a tab is used to indent', 8],
    ['a second document', `${base}---\nname: x\n`, 'second YAML document', 11],
    ['an alias', `${base}notifications: &a { x: { sns: true } }\ntargets: *a\n`, 'the alias *a', 12],
    ['nothing', '', 'the plan is empty', 1],
    ['a list', '- a\n', 'is no mapping', 1],
    ['an open quote', 'name: "acme\n', 'not valid YAML', 2],
  ])('refuses %s', (_what, text, message, line) => {
    const problem = problemsOf(text).find((p) => p.message.includes(message));
    expect(problem).toMatchObject({ line });
  });

  it('survives what is made to break a parser', () => {
    const bomb = `a: &a [x,x]\n${'bcdefghij'
      .split('')
      .map((c, i) => `${c}: &${c} [${`*${'abcdefghi'[i]},`.repeat(9)}]`)
      .join('\n')}\n`;
    expect(problemsOf(bomb).some((p) => p.message.includes('alias'))).toBe(true);
    expect(problemsOf('['.repeat(20_000)).length).toBeGreaterThan(0);
    expect(problemsOf(`${'- '.repeat(20_000)}x`).length).toBeGreaterThan(0);
    expect(problemsOf('__proto__: { polluted: true }\n').length).toBeGreaterThan(0);
    expect(({} as any).polluted).toBeUndefined();
  });
});

describe('loadPlan', () => {
  let folder: string;
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-plan-'));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string | Buffer) => {
    const full = path.join(folder, name);
    fs.writeFileSync(full, content);
    return full;
  };

  it('throws one error that tells all problems', async () => {
    const bad = file('bad.yaml', base.replace('tier: 4', 'tier: 9').replace('us-west-2', 'us-east-1'));
    await expect(loadPlan(bad)).rejects.toMatchObject({
      code: 'PLAN_INVALID',
      exitCode: 2,
      message: expect.stringMatching(/2 problems[^]*:3:[^]*:8:11:/),
      detail: { problems: [{ path: 'regions.standby' }, { path: 'sources.shop-db.tier' }] },
    });
  });

  it.each<[what: string, content: string | Buffer, message: string]>([
    ['10 MB', Buffer.alloc(10_000_000, '# x\n'), '10000000 bytes'],
    ['UTF-16', Buffer.from(base, 'utf16le'), 'not UTF-8'],
    ['Latin-1', Buffer.from(`# caf\u00e9\n${base}`, 'latin1'), 'not UTF-8'],
  ])('refuses a file of %s', async (_what, content, message) => {
    const error = { code: 'PLAN_INVALID', message: expect.stringContaining(message) };
    await expect(loadPlan(file('odd.yaml', content))).rejects.toMatchObject(error);
  });

  it('refuses a file that is not there', async () => {
    await expect(loadPlan(path.join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'PLAN_INVALID' });
  });

  it('reads the break-glass key beside the plan, the public half only', async () => {
    const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
    const good = rsa(3072);
    file('good.pem', good.publicKey.export({ type: 'spki', format: 'pem' }));
    file('private.pem', good.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    file('short.pem', rsa(2048).publicKey.export({ type: 'spki', format: 'pem' }));
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    file('ec.pem', ec.publicKey.export({ type: 'spki', format: 'pem' }));
    const load = (name: string) => loadPlan(file('plan.yaml', change('vault.breakGlassKey', `./${name}`)));
    expect((await load('good.pem')).vault.breakGlassPublicKey).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    await expect(load('private.pem')).rejects.toThrow('private half');
    await expect(load('short.pem')).rejects.toThrow('RSA key of 2048 bits');
    await expect(load('ec.pem')).rejects.toThrow('key of type ec');
    await expect(load('plan.yaml')).rejects.toThrow('no public key');
  });
});
