import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { doubtsAbout } from '../core/watch/doubts.ts';
import { keyOfArn, type Watched } from '../core/watch/watched.ts';
import { examplePlan, testStacks } from './testing/test-app.ts';
import { portOf, type SeenRegion, seenRegion, watchedIn } from './testing/watch-seen.ts';

const region = 'us-west-2';
let stacks: ReturnType<typeof testStacks>;
let about: Watched;
let seen: SeenRegion;
beforeAll(async () => {
  const acme = await examplePlan('acme');
  stacks = testStacks({
    ...acme,
    notifications: { oncall: { sns: true, heartbeat: { secret: 'acme/heartbeat', everySeconds: 900 } } },
  });
  about = watchedIn(stacks.deployment, stacks.resources, region);
});
beforeEach(() => {
  seen = seenRegion(stacks.resources, region);
});

const doubts = async () => (await doubtsAbout(about, portOf(seen))).map(({ says }) => says);
const change = <T extends { name: string }>(list: T[], name: string, with_: Partial<T>) => {
  const index = list.findIndex((one) => one.name === name);
  expect(index).toBeGreaterThanOrEqual(0);
  list[index] = { ...list[index]!, ...with_ };
};
const alarm = 'holdfast-acme-backup-failed-shop-db';
const rule = 'holdfast-acme-key-endangered';
const alarmWith = (with_: Partial<SeenRegion['alarms'][number]>) => change(seen.alarms, alarm, with_);
const ruleWith = (with_: Partial<SeenRegion['rules'][number]>, name = rule) =>
  change(seen.rules, name, with_);

describe('a Region as it was deployed', () => {
  it.each(['us-east-1', 'us-west-2'])('gives no reason to doubt its alarms: %s', async (one) => {
    const { deployment, resources } = stacks;
    const there = seenRegion(resources, one);
    expect(await doubtsAbout(watchedIn(deployment, resources, one), portOf(there))).toEqual([]);
    expect([there.alarms.length, there.rules.length].every((count) => count > 10)).toBe(true);
  });

  it('has no alarm and no rule that nobody looks after', async () => {
    const { alarms, rules } = seen;
    seen = { ...seen, alarms: [], rules: [] };
    const missing = await doubts();
    for (const { name } of alarms) expect(missing).toContain(`alarm ${name} is missing`);
    for (const { name } of rules) expect(missing).toContain(`rule ${name} is missing`);
    expect(missing).toHaveLength(alarms.length + rules.length);
  });
});

describe('a changed alarm', () => {
  it.each<[Partial<SeenRegion['alarms'][number]>, string]>([
    [{ namespace: 'Other' }, 'namespace Other instead of Holdfast'],
    [{ metric: 'x' }, 'metric x instead of backups_failed_total'],
    [
      { dimensions: { plan: 'acme', source: 'other' } },
      'dimensions {"plan":"acme","source":"other"} instead of {"plan":"acme","source":"shop-db"}',
    ],
    [{ statistic: 'Minimum' }, 'statistic Minimum instead of Sum'],
    [{ unit: 'Terabytes' }, 'unit Terabytes instead of none'],
    [{ periodSeconds: 10 }, 'period 10 instead of 300'],
    [{ evaluationPeriods: 100 }, 'number of periods 100 instead of 1'],
    [{ comparison: 'LessThanThreshold' }, 'comparison LessThanThreshold instead of GreaterThanThreshold'],
    [{ threshold: 1 }, 'threshold 1 instead of 0'],
    [{ missingData: 'ignore' }, 'missing data ignore instead of notBreaching'],
  ])('is told: %j', async (with_, difference) => {
    alarmWith(with_);
    expect(await doubts()).toEqual([`alarm ${alarm} was changed: ${difference}`]);
  });

  it('is told with everything that differs', async () => {
    alarmWith({ threshold: 5, metric: 'x' });
    expect(await doubts()).toEqual([
      `alarm ${alarm} was changed: metric x instead of backups_failed_total, threshold 5 instead of 0`,
    ]);
  });

  it('that is gone, disabled, muted or tells somebody else is told', async () => {
    alarmWith({ actionsEnabled: false });
    expect(await doubts()).toEqual([`alarm ${alarm} has its actions disabled`]);
    alarmWith({ actionsEnabled: true, actions: [`${about.topicArn}-2`] });
    expect(await doubts()).toEqual([`alarm ${alarm} does not tell the topic`]);
    alarmWith({ actions: [about.topicArn] });
    seen.muteRules = [
      { name: 'holiday', alarms: ['cpu', alarm] },
      { name: 'nights', alarms: ['cpu'] },
    ];
    expect(await doubts()).toEqual([`alarm ${alarm} is muted by holiday`]);
    seen.muteRules = [];
    seen.alarms = seen.alarms.filter(({ name }) => name !== alarm);
    expect(await doubts()).toEqual([`alarm ${alarm} is missing`]);
  });
});

describe('a changed rule', () => {
  it('is told: disabled, deaf, without its target', async () => {
    ruleWith({ state: 'DISABLED' });
    expect(await doubts()).toEqual([`rule ${rule} is disabled`]);
    ruleWith({ state: 'ENABLED', pattern: '{"source":["nobody"]}' });
    expect(await doubts()).toEqual([`rule ${rule} listens for something else`]);
  });

  it('is told when it no longer gets read-only events, of which AssumeRole is one', async () => {
    const name = 'holdfast-acme-exempt-role-used';
    const all = 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
    const states = Object.fromEntries(seen.rules.map((one) => [one.name, one.state]));
    expect([states[name], states[rule]]).toEqual([all, 'ENABLED']);
    ruleWith({ state: 'ENABLED' }, name);
    expect(await doubts()).toEqual([`rule ${name} is ENABLED instead of ${all}`]);
    ruleWith({ state: all }, name);
    ruleWith({ state: all });
    expect(await doubts()).toEqual([]);
  });

  it('is told when its target is another', async () => {
    const elsewhere = `arn:aws:sns:${region}:999999999999:holdfast-acme-alarms`;
    ruleWith({ targets: [elsewhere] });
    expect(await doubts()).toEqual([`rule ${rule} does not have ${about.topicArn} as its target`]);
    ruleWith({ targets: [elsewhere, about.topicArn] });
    expect(await doubts()).toEqual([]);
  });

  it('is told when a function that watches runs more rarely, or is another', async () => {
    const name = 'holdfast-acme-dead-man';
    const target = `arn:aws:lambda:${region}:111122223333:function:${name}`;
    ruleWith({ schedule: 'rate(1 day)', targets: [`${target}-2`] }, name);
    expect(await doubts()).toEqual([
      `rule ${name} acts at rate(1 day) instead of rate(5 minutes)`,
      `rule ${name} does not have ${target} as its target`,
    ]);
  });

  it('is not told for the order of its keys, which CloudFormation chooses', async () => {
    const { pattern = '' } = seen.rules.find(({ name }) => name === rule)!;
    const turned = Object.fromEntries(Object.entries(JSON.parse(pattern) as object).toReversed());
    expect(JSON.stringify(turned)).not.toBe(pattern);
    ruleWith({ pattern: JSON.stringify(turned) });
    expect(await doubts()).toEqual([]);
  });
});

describe('the topic and its key', () => {
  const key = () => about.keys.alarms.keyArn;
  const without = (policy: string | undefined, service: string) => {
    const { Statement: statements, ...rest } = JSON.parse(policy!);
    const left = statements.filter((one: any) => one.Principal.Service !== service);
    expect(left.length).toBeLessThan(statements.length);
    return JSON.stringify({ ...rest, Statement: left });
  };

  it('are told: missing, another key, a key that is disabled', async () => {
    seen = {
      ...seen,
      topic: { ...seen.topic, keyId: 'alias/aws/sns' },
      key: { ...seen.key!, state: 'Disabled' },
    };
    expect(await doubts()).toEqual([
      `the topic is encrypted with alias/aws/sns instead of ${key()}`,
      `key ${key()} of the topic is Disabled`,
    ]);
    seen = { ...seen, topic: undefined, key: undefined };
    expect(await doubts()).toEqual([
      `topic ${about.topicArn} is missing`,
      `key ${key()} of the topic is missing`,
    ]);
  });

  it('may name the key by its id', async () => {
    seen.topic = { ...seen.topic, keyId: keyOfArn(key()).keyId };
    expect(await doubts()).toEqual([]);
  });

  it.each(['cloudwatch.amazonaws.com', 'events.amazonaws.com'])(
    'are told when they shut out %s',
    async (who) => {
      seen.key = { ...seen.key!, policy: without(seen.key?.policy, who) };
      seen.topic = { ...seen.topic, policy: without(seen.topic?.policy, who) };
      expect(await doubts()).toEqual([
        `the topic does not let ${who} in`,
        `the key of the topic does not let ${who} in`,
      ]);
    },
  );
});

describe('what should be ringing', () => {
  it.each(['ALARM', 'INSUFFICIENT_DATA'])('is told: no recovery point within the RPO, %s', async (state) => {
    const name = 'holdfast-acme-dead-man-shop-db';
    change(seen.alarms, name, { state });
    expect(await doubts()).toEqual([
      `no protected recovery point of shop-db within the RPO: ${name} is ${state}`,
    ]);
  });

  it('is told to nobody without a subscriber', async () => {
    seen.listeners = 0;
    expect(await doubtsAbout(about, portOf(seen))).toEqual([
      { about: 'subscribers', says: 'nobody is subscribed to the alarms' },
    ]);
  });
});
