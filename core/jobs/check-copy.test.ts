import fs from 'node:fs';
import { ulid } from 'ulid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PeerStore } from '../catalog/compare-copy.ts';
import { recordOf } from '../catalog/point-record.ts';
import { type Copies, damage, noon, silentPeer, source, startCopies } from '../catalog/testing.copies.ts';
import { manifestKey } from '../vault/layout.ts';
import { checkCopy } from './check-copy.ts';
import { finishJob } from './finish-job.ts';

const ref = (id: string) => ({ source, id });

let copies: Copies;
beforeEach(async () => {
  copies = await startCopies();
});
afterEach(() => copies.remove());

interface Change {
  readonly seconds?: number;
  readonly peer?: PeerStore;
  readonly now?: () => Date;
  readonly random?: () => number;
}

function check(jobId: string, { seconds = 5, ...change }: Change = {}) {
  const { catalog, vault, peer } = copies;
  const now = () => new Date(noon.getTime() + seconds * 1000);
  const random = () => 0;
  return checkCopy(
    { catalog, vault, peer, region: 'us-east-1', allowanceSeconds: 900, now, random, ...change },
    ref(jobId),
  );
}

describe('checkCopy', () => {
  it('goes from stored to protected when the copy is whole, and then stays', async () => {
    const { jobId, manifest } = await copies.backupJob();
    expect((await check(jobId)).reply).toEqual({
      state: 'stored',
      missing: 1,
      late: false,
      caughtUp: [],
      waiting: [],
    });
    expect(await copies.stateOf(manifest.id)).toBe('stored');
    copies.replicate();
    expect((await check(jobId)).reply).toMatchObject({ state: 'protected', missing: 0 });
    expect((await check(jobId, { peer: silentPeer, seconds: 5000 })).reply).toMatchObject({
      state: 'protected',
      late: false,
    });
    expect(await copies.stateOf(manifest.id)).toBe('protected');
  });

  it('is late a moment after the time allowed, not at it', async () => {
    const { jobId } = await copies.backupJob();
    expect((await check(jobId, { seconds: 900 })).reply.late).toBe(false);
    expect((await check(jobId, { seconds: 900.001 })).reply.late).toBe(true);
  });

  it('catches up with the points of an outage', async () => {
    const first = await copies.backupJob();
    const down = await check(first.jobId, { peer: silentPeer });
    expect(down.reply).toMatchObject({ state: 'storedPeerDown', missing: 0 });
    expect(down.metrics).toContainEqual({ name: 'peer_down', unit: 'Count', value: 1 });
    expect(
      (await finishJob({ catalog: copies.catalog, now: () => noon }, ref(first.jobId))).reply,
    ).toMatchObject({
      copy: 'storedPeerDown',
    });
    const second = await copies.backupJob();
    copies.replicate();
    expect((await check(second.jobId)).reply).toMatchObject({
      state: 'protected',
      caughtUp: [first.manifest.id],
    });
    expect(await copies.stateOf(first.manifest.id)).toBe('protected');
  });
});

describe('finishJob', () => {
  it('completes a backup only when its copy is settled', async () => {
    const { jobId, manifest } = await copies.backupJob();
    const finish = () =>
      finishJob({ catalog: copies.catalog, now: () => new Date(noon.getTime() + 60_000) }, ref(jobId));
    await expect(finish()).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' });
    expect(await copies.catalog.getJob(ref(jobId))).toMatchObject({ state: 'running' });
    copies.replicate();
    await check(jobId);
    const done = await finish();
    expect(done.reply).toMatchObject({ recoveryPointId: manifest.id, items: 2, rows: 2, copy: 'protected' });
    expect(await finish()).toEqual(done);
    expect(await copies.catalog.getJob(ref(jobId))).toMatchObject({
      state: 'completed',
      result: { copy: 'protected' },
    });
  });
});

describe('checkCopy and a record that lies', () => {
  it('asks the objects although the catalogue says protected, and sets the record right', async () => {
    const { jobId, manifest } = await copies.backupJob();
    const lie = recordOf(manifest, 'us-east-1', { state: 'protected', protectedAt: noon.toISOString() });
    await copies.catalog.putRecoveryPoint({ ...lie, finishedAt: '2100-01-01T00:00:00.000Z' });
    const late = { state: 'stored', missing: 1, late: true };
    expect((await check(jobId, { seconds: 901 })).reply).toMatchObject(late);
    expect(await copies.catalog.getRecoveryPoint(source, manifest.id)).toMatchObject({
      state: 'stored',
      finishedAt: manifest.finishedAt,
    });
    copies.replicate();
    expect((await check(jobId)).reply).toMatchObject({ state: 'protected', late: false });
  });

  it('makes the record that the task never wrote, and tells of one without a point', async () => {
    const { jobId, manifest } = await copies.backupJob();
    const other = ulid(noon.getTime() - 1000);
    await copies.catalog.putRecoveryPoint({
      ...recordOf(manifest, 'us-east-1', { state: 'stored' }),
      id: other,
    });
    copies.replicate();
    expect((await check(jobId)).reply).toMatchObject({
      state: 'protected',
      caughtUp: [],
      waiting: [{ id: other, code: 'MANIFEST_NOT_FOUND' }],
    });
  });
});

describe('the earlier points of a source', () => {
  const total = (metrics: Awaited<ReturnType<typeof check>>['metrics'], name: string) =>
    metrics.filter((metric) => metric.name === name).reduce((sum, { value }) => sum + value, 0);

  it('ring when their copies are damaged or late, and stay so until they are whole', async () => {
    const hurt = await copies.backupJob();
    const missing = await copies.backupJob();
    const last = await copies.backupJob();
    copies.replicate();
    damage(copies.peerFile(hurt.manifest.items[0]!.key));
    fs.rmSync(copies.peerFile(missing.manifest.items[0]!.key));
    const inTime = await check(last.jobId, { seconds: 900 });
    expect(inTime.reply).toMatchObject({
      state: 'protected',
      caughtUp: [],
      waiting: [
        { id: hurt.manifest.id, code: 'OBJECT_CORRUPT', late: false },
        { id: missing.manifest.id, code: 'OBJECT_NOT_FOUND', late: false },
      ],
    });
    expect(total(inTime.metrics, 'verification_failed_total')).toBe(1);
    expect(total(inTime.metrics, 'replication_late_total')).toBe(0);
    const late = await check(last.jobId, { seconds: 900.001 });
    expect(late.reply.waiting.map((found) => found.late)).toEqual([true, true]);
    expect(total(late.metrics, 'verification_failed_total')).toBe(1);
    expect(total(late.metrics, 'replication_late_total')).toBe(2);
    fs.rmSync(copies.peerFile(hurt.manifest.items[0]!.key));
    copies.replicate();
    const healed = await check(last.jobId, { seconds: 1000 });
    expect(healed.reply).toMatchObject({ caughtUp: [hurt.manifest.id, missing.manifest.id], waiting: [] });
    expect(total(healed.metrics, 'verification_failed_total')).toBe(0);
    expect(total(healed.metrics, 'replication_late_total')).toBe(0);
  });

  it('ring when the manifest of a recorded point is gone or forged', async () => {
    const [gone, forged] = [await copies.backupJob(), await copies.backupJob()];
    const last = await copies.backupJob();
    copies.replicate();
    fs.rmSync(copies.ownFile(manifestKey(source, gone.manifest.id)));
    const file = copies.ownFile(manifestKey(source, forged.manifest.id));
    const text = fs.readFileSync(file, 'utf8');
    fs.chmodSync(file, 0o600);
    fs.writeFileSync(file, text.replace('"rows": 1', '"rows": 2'));
    const { reply, metrics } = await check(last.jobId);
    expect(reply.waiting.map(({ code }) => code)).toEqual(['MANIFEST_NOT_FOUND', 'MANIFEST_SIGNATURE']);
    expect(total(metrics, 'verification_failed_total')).toBe(2);
  });

  it('get their turn although others never get right', async () => {
    const stuck = [await copies.backupJob(), await copies.backupJob(), await copies.backupJob()];
    const whole = await copies.backupJob();
    const last = await copies.backupJob();
    copies.replicate();
    for (const { manifest } of stuck) damage(copies.peerFile(manifest.items[0]!.key));
    // Each look at the clock takes two minutes: there is time for two points in a call.
    const caughtUp = async (random: number) => {
      let now = noon.getTime();
      const slowly = () => new Date((now += 40_000));
      return (await check(last.jobId, { now: slowly, random: () => random })).reply.caughtUp;
    };
    expect(await caughtUp(0)).toEqual([]);
    expect(await copies.stateOf(whole.manifest.id)).toBe('stored');
    expect(await caughtUp(0.75)).toEqual([whole.manifest.id]);
    expect(await copies.stateOf(whole.manifest.id)).toBe('protected');
  });

  it('are looked at beyond the first page of the catalogue', async () => {
    const first = await copies.backupJob({ id: ulid(noon.getTime()) });
    const { manifest } = first;
    const protectedAt = noon.toISOString();
    for (let n = 1; n <= 1000; n += 1) {
      const between = recordOf(manifest, 'us-east-1', { state: 'protected', protectedAt });
      await copies.catalog.putRecoveryPoint({ ...between, id: ulid(noon.getTime() + n) });
    }
    const last = await copies.backupJob();
    copies.replicate();
    expect((await check(last.jobId)).reply.caughtUp).toEqual([manifest.id]);
  });

  it('are not waited for by a job whose own copy is still on its way', async () => {
    const first = await copies.backupJob();
    copies.replicate();
    const last = await copies.backupJob();
    expect((await check(last.jobId)).reply).toMatchObject({ state: 'stored', caughtUp: [] });
    expect((await check(last.jobId, { seconds: 901 })).reply).toMatchObject({
      late: true,
      caughtUp: [first.manifest.id],
    });
  });
});

describe('a task whose clock is ahead', () => {
  it('does not put off the moment at which its copy is late', async () => {
    const { jobId } = await copies.backupJob({ startedAt: noon, finishedAt: new Date('2100-01-01') });
    const now = () => new Date(Date.now() + 901_000);
    expect((await check(jobId, { now })).reply).toMatchObject({ state: 'stored', late: true });
  });
});
