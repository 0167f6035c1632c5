import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorCatalogue } from '../core/errors.ts';
import { type AlarmFacts, alarmKinds } from '../core/plan/alarm-catalogue.ts';
import { worstLossSeconds } from '../core/plan/objectives.ts';
import type { Plan, SourcePlan } from '../core/plan/plan.ts';
import { alarmDefinitions } from '../core/watch/alarm-definitions.ts';
import type { ResolvedResource } from './testing/resolve.ts';
import { examplePlan, testStacks } from './testing/test-app.ts';

const runbook = fs.readFileSync(path.resolve(import.meta.dirname, '../docs/runbook.md'), 'utf8');
const sections = new Map(
  runbook
    .split(/^## /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')).trim(), text]),
);
const kinds = Object.keys(alarmKinds);

let alarms: readonly ResolvedResource[];
let resources: readonly ResolvedResource[];
let acme: Plan;
beforeAll(async () => {
  acme = await examplePlan('acme');
  acme = {
    ...acme,
    notifications: { oncall: { sns: true, heartbeat: { secret: 'acme/heartbeat', everySeconds: 900 } } },
  };
  ({ resources } = testStacks(acme));
  alarms = resources.filter(({ type }) => type === 'AWS::CloudWatch::Alarm');
});

const find = (region: string, name: string) => {
  const found = alarms.find((one) => one.region === region && one.properties['AlarmName'] === name);
  if (found === undefined) throw new Error(`no alarm ${name} in ${region}`);
  return found.properties;
};
const factsOf = (properties: ResolvedResource['properties']): AlarmFacts =>
  alarmKinds[kindOf(properties['AlarmName']) as keyof typeof alarmKinds];
const kindOf = (name: string) =>
  kinds.find((kind) => name === `holdfast-acme-${kind}` || name === `holdfast-acme-${kind}-shop-db`);

describe('the runbook', () => {
  it('has a section for every kind of alarm that is deployed, and no section without an alarm', () => {
    const deployed = new Set(alarms.map(({ properties }) => kindOf(properties['AlarmName'])));
    const procedures = ['Disaster recovery', 'After cdk destroy', 'Break-glass'];
    expect([...deployed].toSorted()).toEqual(kinds.toSorted());
    expect([...sections.keys()].filter((heading) => !procedures.includes(heading)).toSorted()).toEqual(
      kinds.toSorted(),
    );
  });

  it.each(kinds)('describes, investigates and resolves %s', (kind) => {
    expect(sections.get(kind)).toMatch(
      /\*\*Description\.\*\*[^]+\*\*Investigation\.\*\*[^]+\*\*Resolution\.\*\*/,
    );
  });

  it('begins with disaster recovery and says when not to use it', () => {
    expect([...sections.keys()][0]).toBe('Disaster recovery');
    expect(sections.get('Disaster recovery')).toMatch(/^### When NOT to use this$/m);
  });

  it('links only to headings that exist', () => {
    const anchors = [...runbook.matchAll(/\]\(#([a-z-]+)\)/g)].map(([, anchor]) => anchor);
    const known = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!.toLowerCase().replaceAll(' ', '-'),
    );
    expect(anchors.filter((anchor) => !known.includes(anchor!))).toEqual([]);
  });
});

describe('error codes in the runbook', () => {
  it('stand in the catalogue', () => {
    const codes = [...runbook.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(5);
    expect(codes.filter((code) => !(code! in errorCatalogue))).toEqual([]);
  });
});

describe('every alarm', () => {
  it('says what happened, where to look and what to do', () => {
    for (const { region, properties } of alarms) {
      const kind = kindOf(properties['AlarmName']);
      const description: string = properties['AlarmDescription'];
      expect(description).toContain(factsOf(properties).says);
      expect(description).toMatch(new RegExp(`^Runbook: docs/runbook.md#${kind}$`, 'm'));
      expect(description).toMatch(
        new RegExp(`^Console: https://${region}\\.console\\.aws\\.amazon\\.com/\\S+${region}`, 'm'),
      );
      expect(description.length).toBeLessThan(1024);
    }
  });

  it('tells the topic when it begins, and when it ends only if it is about something that ends', () => {
    const told = { event: 0, state: 0 };
    for (const { properties } of alarms) {
      const { tells } = factsOf(properties);
      told[tells] += 1;
      expect(properties['AlarmActions']).toHaveLength(1);
      expect([properties['AlarmName'], properties['OKActions']]).toEqual([
        properties['AlarmName'],
        tells === 'event' ? undefined : properties['AlarmActions'],
      ]);
      expect(/close it by hand/.test(properties['AlarmDescription'])).toBe(tells === 'event');
    }
    expect(Math.min(told.event, told.state)).toBeGreaterThan(5);
  });

  // CloudWatch sets an alarm back to OK when its period passes without a value. A queue alone reports while it holds messages.
  it('never says that it ended because nothing more was heard', () => {
    const bySilence = alarms.filter(
      ({ properties }) =>
        properties['TreatMissingData'] === 'notBreaching' && properties['Namespace'] !== 'AWS/SQS',
    );
    expect(bySilence.length).toBeGreaterThan(10);
    expect(bySilence.filter(({ properties }) => properties['OKActions'] !== undefined)).toEqual([]);
    for (const region of ['us-east-1', 'us-west-2'])
      expect(find(region, 'holdfast-acme-peer-down')['TreatMissingData']).toBe('ignore');
  });
});

describe('the heartbeat', () => {
  it('leaves on a schedule of its own, in both Regions', () => {
    for (const region of ['us-east-1', 'us-west-2']) {
      const rules = resources.filter((one) => one.type === 'AWS::Events::Rule' && one.region === region);
      expect(
        rules.find(({ properties }) => properties['Name'] === 'holdfast-acme-heartbeat-oncall'),
      ).toMatchObject({
        properties: { ScheduleExpression: 'rate(15 minutes)', State: 'ENABLED' },
      });
      expect(find(region, 'holdfast-acme-heartbeat-missing')).toMatchObject({
        MetricName: 'heartbeat_missing',
        Period: 900,
        EvaluationPeriods: 2,
        TreatMissingData: 'breaching',
      });
    }
  });

  it('leaves nothing behind in a plan that has none', () => {
    const without = { ...acme, notifications: { oncall: { sns: true } } };
    const traces = testStacks(without).resources.filter((one) => /heartbeat/i.test(one.logicalId));
    expect(traces).toEqual([]);
    expect(alarmDefinitions(without, 'primary').filter(({ kind }) => /heartbeat/.test(kind))).toEqual([]);
  });
});

describe('limits', () => {
  // acme: a backup every six hours that takes 20 minutes, RPO 8 hours, copies within 15 minutes.
  it('come from schedule and objectives', () => {
    expect(find('us-east-1', 'holdfast-acme-backup-too-old-shop-db')['Threshold']).toBe(8);
    // 6:35 is ordinary and 8:00 too old: half of the room between them, which is less than two hours.
    expect(find('us-east-1', 'holdfast-acme-backup-overdue-shop-db')['Threshold']).toBeCloseTo(
      (6 + 35 / 60 + 8) / 2,
    );
    expect(find('us-east-1', 'holdfast-acme-backup-slow-shop-db')['Threshold']).toBe(1200);
    expect(find('us-east-1', 'holdfast-acme-backup-large-shop-db')['Threshold']).toBe(100_000_000_000);
  });

  const minute = 60;
  const hour = 3600;
  it.each([
    { interval: 6 * hour, run: undefined, rpo: 8 * hour, overdue: 7 * hour + 37.5 * minute },
    { interval: 6 * hour, run: 20 * minute, rpo: 24 * hour, overdue: 8 * hour + 35 * minute },
    { interval: 24 * hour, run: hour, rpo: 48 * hour, overdue: 27 * hour + 15 * minute },
    // No room at all: the lead of ten minutes comes out of the time that the copy is given.
    { interval: 30 * minute, run: 15 * minute, rpo: hour, overdue: 50 * minute },
    { interval: minute, run: minute, rpo: 17 * minute, overdue: 7 * minute },
    // Both sides of the boundary where two hours after the time due is half-way to the RPO.
    { interval: 6 * hour, run: 45 * minute, rpo: 11 * hour - 2, overdue: 9 * hour - 1 },
    { interval: 6 * hour, run: 45 * minute, rpo: 11 * hour + 2, overdue: 9 * hour },
  ])('ring overdue before too old: every $interval s, RPO $rpo s', ({ interval, run, rpo, overdue }) => {
    const [shop] = acme.sources as [SourcePlan];
    const source: SourcePlan = {
      ...shop,
      schedule: { ...shop.schedule, intervalSeconds: interval },
      runTimeSeconds: run,
      objectives: { rpoSeconds: rpo, rtoSeconds: 4 * hour },
    };
    expect(worstLossSeconds(interval, run ?? hour)).toBeLessThanOrEqual(rpo);
    const { resources } = testStacks({ ...acme, sources: [source] });
    const limitOf = (kind: string) =>
      resources.find(({ properties }) => properties['AlarmName'] === `holdfast-acme-${kind}-shop-db`)
        ?.properties['Threshold'] * hour;
    expect(limitOf('backup-overdue')).toBeCloseTo(overdue);
    expect(limitOf('backup-overdue')).toBeLessThanOrEqual(limitOf('backup-too-old') - 10 * minute);
  });

  it('take an hour for slow when the plan does not say how long a backup takes', async () => {
    const plan = await examplePlan('acme');
    const sources = plan.sources.map((source) => ({ ...source, runTimeSeconds: undefined }));
    const slow = testStacks({ ...plan, sources }).resources.find(
      ({ properties }) => properties['AlarmName'] === 'holdfast-acme-backup-slow-shop-db',
    );
    expect(slow?.properties['Threshold']).toBe(3600);
  });

  it('watch the primary from the standby, where silence is an alarm', () => {
    const deadMan = find('us-west-2', 'holdfast-acme-dead-man-shop-db');
    expect(deadMan).toMatchObject({
      Namespace: 'Holdfast',
      MetricName: 'backup_age_hours',
      Threshold: 8,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'breaching',
      Dimensions: expect.arrayContaining([
        { Name: 'plan', Value: 'acme' },
        { Name: 'source', Value: 'shop-db' },
      ]),
    });
    expect(
      alarms.some(
        ({ region, properties }) => region === 'us-east-1' && /dead-man/.test(properties['AlarmName']),
      ),
    ).toBe(false);
  });

  it('take no news for good news where something must happen first', () => {
    for (const kind of [
      'backup-failed',
      'replication-late',
      'verification-failed',
      'restore-failed',
      'restored-with-faults',
    ]) {
      expect(find('us-west-2', `holdfast-acme-${kind}-shop-db`)).toMatchObject({
        TreatMissingData: 'notBreaching',
        Statistic: 'Sum',
        Threshold: 0,
      });
    }
  });

  it('ring for the faults of a restore that is done, in either Region', () => {
    for (const region of ['us-east-1', 'us-west-2'])
      expect(find(region, 'holdfast-acme-restored-with-faults-shop-db')).toMatchObject({
        MetricName: 'restore_faults',
        Dimensions: expect.arrayContaining([{ Name: 'source', Value: 'shop-db' }]),
      });
  });
});
