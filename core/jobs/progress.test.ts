import { describe, expect, it } from 'vitest';
import { createMemoryCatalogStore } from '../catalog/catalog-store.memory.ts';
import { progressSchema } from '../catalog/job.ts';
import { HoldfastError } from '../errors.ts';
import { idFor } from './job-ids.ts';
import { keepLease } from './keep-lease.ts';
import { ProgressMeter } from './progress.ts';
import { checkCopySettingsSchema, readSettings, taskSettingsSchema } from './settings.ts';

const noon = Date.parse('2026-11-02T12:00:00.000Z');

describe('ProgressMeter', () => {
  const report = (bytes: number, estimatedBytes = 1000) => ({
    itemsDone: 1,
    itemsTotal: 2,
    rows: 5,
    bytes,
    estimatedBytes,
    current: ['public.orders'],
  });

  it('says nothing before the engine did, then rate, fraction and time left', () => {
    let at = noon;
    const meter = new ProgressMeter(() => new Date(at), 'back up');
    expect(meter.snapshot()).toBeUndefined();
    meter.report(report(0));
    at += 2000;
    meter.report(report(200));
    meter.reportStored('a', 30);
    meter.reportStored('b', 5);
    meter.reportStored('a', 40);
    const snapshot = meter.snapshot();
    expect(progressSchema.parse(snapshot)).toMatchObject({
      bytesPerSecond: 100,
      fraction: 0.2,
      secondsLeft: 8,
      storedBytes: 45,
    });
  });

  it('tells no rate before two seconds, and no time left before a hundredth is done', () => {
    let at = noon;
    const meter = new ProgressMeter(() => new Date(at), 'back up');
    meter.report(report(0, 100_000));
    at += 1999;
    meter.report(report(900, 100_000));
    expect(meter.snapshot()?.bytesPerSecond).toBe(0);
    at += 1;
    expect(meter.snapshot()?.bytesPerSecond).toBe(450);
    expect(meter.snapshot()).not.toHaveProperty('secondsLeft');
    meter.report(report(1000, 100_000));
    expect(meter.snapshot()?.secondsLeft).toBe(198);
  });

  it('never goes back nor above 1 when the estimate is wrong', () => {
    const meter = new ProgressMeter(() => new Date(noon), 'back up');
    meter.report(report(500));
    expect(meter.snapshot()?.fraction).toBe(0.5);
    meter.report(report(600, 2000));
    expect(meter.snapshot()?.fraction).toBe(0.5);
    meter.report(report(5000, 2000));
    expect(meter.snapshot()?.fraction).toBe(1);
  });
});

describe('keepLease', () => {
  const options = {
    job: { source: 'shop-db', id: 'job-1' },
    everySeconds: 0.005,
    progress: () => undefined,
    now: () => new Date(),
  };
  const log = { info: () => undefined, warn: () => undefined };

  it('aborts when the lease is lost, and only then', async () => {
    let calls = 0;
    const renew = async () => {
      calls += 1;
      throw new HoldfastError(calls < 3 ? 'CATALOG_UNAVAILABLE' : 'LEASE_LOST', 'x');
    };
    const catalog = Object.assign(createMemoryCatalogStore(), { renew });
    const keeper = keepLease({ ...options, catalog, log });
    await new Promise((resolve) => keeper.signal.addEventListener('abort', resolve));
    await keeper.stop();
    expect(calls).toBe(3);
    expect(keeper.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
  });
});

describe('idFor', () => {
  it('gives an execution the same ids again and others to another', () => {
    const execution = { arn: 'arn:one', startedAt: new Date(noon) };
    expect(idFor('job', execution)).toBe(idFor('job', execution));
    expect(idFor('job', execution)).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
    const others = [idFor('point', execution), idFor('job', { ...execution, arn: 'arn:two' })];
    expect(new Set([...others, idFor('job', execution)]).size).toBe(3);
    expect(idFor('job', execution) < idFor('job', { ...execution, startedAt: new Date(noon + 1) })).toBe(
      true,
    );
  });
});

describe('readSettings', () => {
  it('declares every setting with a description', () => {
    for (const schema of [taskSettingsSchema, checkCopySettingsSchema]) {
      const undescribed = Object.entries(schema.shape).filter(
        ([, field]) => (field.description ?? '') === '',
      );
      expect(undescribed.map(([name]) => name)).toEqual([]);
    }
  });

  it('takes the default and refuses what is out of range, on both sides of each limit', () => {
    const schema = checkCopySettingsSchema.pick({ HOLDFAST_COPY_ALLOWANCE_SECONDS: true });
    const read = (value?: string) =>
      readSettings(schema, { HOLDFAST_COPY_ALLOWANCE_SECONDS: value }).HOLDFAST_COPY_ALLOWANCE_SECONDS;
    expect([read(), read(''), read('60'), read('86400')]).toEqual([900, 900, 60, 86_400]);
    for (const value of ['59', '86401', 'soon', '60.5']) {
      expect(() => read(value)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
    }
  });
});
