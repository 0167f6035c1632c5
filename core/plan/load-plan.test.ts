import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPlan, loadPlan, readPlanText } from './load-plan.ts';
import { formatProblem } from './plan-problem.ts';
import { base, change, check, only, problemsOf } from './testing.ts';

const examples = path.resolve(import.meta.dirname, '../../examples');

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

describe('the text', () => {
  it('tells a tab once, and not what it makes of the lines around it', () => {
    for (const text of [base.replace('    tier', '\ttier'), base.replace('    engine', '\t\tengine')])
      expect(problemsOf(text).map(({ message }) => message)).toEqual([
        'a tab is used to indent; YAML allows spaces only',
      ]);
  });

  it('tells a fault of the syntax, and not what the keys behind it would be', () => {
    for (const text of [
      base.replace('primary: us-east-1, ', 'primary: us-east-1 '),
      base.replace('tier: 4', 'tier: "4'),
      base.replace('    tier', '   tier'),
    ]) {
      const messages = problemsOf(text).map(({ message }) => message);
      expect(messages).not.toEqual([]);
      expect(messages.filter((message) => !message.startsWith('not valid YAML'))).toEqual([]);
    }
  });

  it('tells all mistakes where only a key stands twice', () => {
    const messages = problemsOf(`${base.replace('tier: 4', 'tier: 9')}name: other\n`).map((p) => p.path);
    expect(messages).toEqual(['sources.shop-db.tier', '']);
  });

  it.each([
    ['none.yaml', 'it is not there (ENOENT)'],
    ['.', 'it is a folder (EISDIR)'],
    ['load-plan.test.ts/plan.yaml', 'a part of its path is no folder (ENOTDIR)'],
  ])('says why %s cannot be read', async (name, why) => {
    const file = path.join(import.meta.dirname, name);
    await expect(readPlanText(file)).rejects.toMatchObject({
      code: 'PLAN_INVALID',
      message: `the plan file ${file} cannot be read: ${why}`,
    });
  });

  it('says that an account number wants quotes', () => {
    const [problem] = problemsOf(base.replace(/account: .*/, 'account: 111122223333'));
    expect(problem).toMatchObject({
      path: 'account',
      allowed: '12 digits, quoted',
      hint: expect.stringContaining('in quotes'),
    });
  });

  it.each<[what: string, text: string, message: string, line: number]>([
    ['a duplicate key', `${base}name: other\n`, 'the key name stands here a second time', 11],
    [
      'a duplicate id',
      `${base}  shop-db: { engine: postgres }\n`,
      'the key shop-db stands here a second time',
      11,
    ],
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
