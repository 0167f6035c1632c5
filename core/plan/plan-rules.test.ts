import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { base, change, check, only, problemsOf } from './testing.ts';

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
    ['tenants of the plan', 'tenants', { column: 'tenant_id' }, 'tenants'],
    ['tenants', 'sources.shop-db.tenants', { column: 'tenant_id' }, 'sources.shop-db.tenants'],
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

describe('IAM database authentication', () => {
  const at = 'sources.shop-db.connection';
  const iam = { secret: 'shop-db/place', iam: true, username: 'holdfast_backup' };

  it('is taken for sources and targets with a user and TLS', () => {
    const plan = parse(change(at, iam));
    plan.targets = {
      t1: { region: 'us-west-2', connection: { ...iam, secret: 't1/place', tls: 'verify-ca' } },
    };
    const { plan: resolved, problems, notes } = check(stringify(plan));
    expect(problems).toEqual([]);
    expect(resolved?.sources[0]?.connection).toEqual({ ...iam, tls: 'verify-full' });
    expect(resolved?.targets[0]?.connection).toEqual({ ...iam, secret: 't1/place', tls: 'verify-ca' });
    expect(notes.map(({ path }) => path)).not.toContain(`${at}.tls`);
  });

  it('is refused without TLS and noted with TLS that any server passes', () => {
    expect(only(change(at, { ...iam, tls: 'disable' }))).toMatchObject({
      code: 'PLAN_INVALID',
      path: `${at}.tls`,
      value: 'disable',
    });
    const noted = check(change(at, { ...iam, tls: 'require' }));
    expect(noted.problems).toEqual([]);
    expect(noted.notes.find(({ path }) => path === `${at}.tls`)?.message).toContain(
      'any server that answers',
    );
  });

  it('needs the user, and a user needs it', () => {
    expect(only(change(at, { secret: 's', iam: true }))).toMatchObject({
      path: `${at}.iam`,
      allowed: expect.stringContaining('username'),
    });
    for (const connection of [
      { secret: 's', username: 'u' },
      { secret: 's', username: 'u', iam: false },
    ]) {
      expect(only(change(at, connection)).path).toBe(`${at}.username`);
    }
    expect(problemsOf(change(at, { secret: 's', iam: false }))).toEqual([]);
  });

  it.each(['*', 'back?p', 'a/b', 'a b', '', `a${'b'.repeat(63)}`])('takes no user named %j', (username) => {
    expect(only(change(at, { ...iam, username })).path).toBe(`${at}.username`);
  });

  it('takes a user of 63 letters, as PostgreSQL does', () => {
    expect(problemsOf(change(at, { ...iam, username: `a${'b'.repeat(62)}` }))).toEqual([]);
  });
});

describe('the Regions', () => {
  const notes = (primary: string, standby: string) =>
    check(change('regions', { primary, standby })).notes.filter(({ path }) => path === 'regions');

  it("come with a warning when IAM's calls are told of in neither", () => {
    expect(notes('eu-central-1', 'eu-west-1').map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /roles-changed stays silent.*us-east-1.*aws\.iam.*arn:aws:events:eu-central-1:\d{12}:event-bus\/default/,
      ),
    ]);
    expect([...notes('us-east-1', 'eu-west-1'), ...notes('eu-west-1', 'us-east-1')]).toEqual([]);
  });
});

describe('the lock', () => {
  const lockNotes = (lock: string | undefined) =>
    check(change('vault.lock', lock)).notes.filter(({ path }) => path === 'vault.lock');

  it('comes with a warning when somebody may lift it', () => {
    expect(check(change('vault.lock', 'governance')).plan?.vault.lock).toBe('governance');
    expect(lockNotes('governance').map(({ message }) => message)).toEqual([
      expect.stringContaining('s3:BypassGovernanceRetention'),
    ]);
    expect(lockNotes('none')).toHaveLength(1);
    expect([...lockNotes('compliance'), ...lockNotes(undefined)]).toEqual([]);
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

describe('heartbeats', () => {
  const url = 'https://dead-man.example/abc/{region}';
  const at = 'notifications.oncall.heartbeat';
  it.each([{ url, every: '5m' }, { url: `${url}?x=1`, every: '6h' }, { secret: 'acme/heartbeat' }])(
    'take %j',
    (heartbeat) => {
      expect(problemsOf(change('notifications.oncall', { sns: true, heartbeat }))).toEqual([]);
    },
  );

  it.each([
    [{}, at, 'no address'],
    [{ url, secret: 'acme/heartbeat' }, at, 'two addresses'],
    [{ url: 'https://dead-man.example/abc' }, `${at}.url`, 'does not say which Region'],
    [{ url: 'http://dead-man.example/{region}' }, `${at}.url`, 'does not fit'],
    [{ url: 'https://me:secret@dead-man.example/{region}' }, `${at}.url`, 'is a secret in clear'],
    [{ url, every: '299s' }, `${at}.every`, 'does not fit'],
    [{ url, every: '301s' }, `${at}.every`, 'does not fit'],
    [{ url, every: '4m' }, `${at}.every`, 'does not fit'],
    [{ url, every: '361m' }, `${at}.every`, 'does not fit'],
  ])('refuse %j', (heartbeat, path, message) => {
    const problem = only(change('notifications.oncall', { sns: true, heartbeat }));
    expect(problem).toMatchObject({ code: 'PLAN_INVALID', path });
    expect(problem.message).toContain(message);
  });
});
