import { ulid } from 'ulid';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordOf } from '../catalog/point-record.ts';
import { type Copies, noon, source, startCopies } from '../catalog/testing.copies.ts';
import { measureAges } from './dead-man.ts';
import { examplePlan } from './testing.ts';

let copies: Copies;
beforeEach(async () => {
  copies = await startCopies();
});
afterEach(() => copies.remove());

describe('measureAges', () => {
  it('counts from the newest point of its own vault, whatever the catalogue says, and gives no value without one', async () => {
    const ages = async () => {
      return measureAges({
        vault: await copies.openPeerVault(),
        plan: examplePlan,
        now: () => new Date(noon.getTime() + 7_200_000),
      });
    };
    const { manifest } = await copies.backupJob();
    await copies.catalog.putRecoveryPoint(
      recordOf(manifest, 'us-east-1', { state: 'protected', protectedAt: noon.toISOString() }),
    );
    expect(await ages()).toEqual({ reply: { sources: [{ source }] }, metrics: [] });
    copies.replicate();
    await copies.backupJob();
    expect(await ages()).toEqual({
      reply: { sources: [{ source, recoveryPointId: manifest.id, ageHours: 2 }] },
      metrics: [{ name: 'backup_age_hours', unit: 'Count', value: 2, source }],
    });
  });

  it.each([
    ['its own word', (at: Date) => ({ id: ulid(noon.getTime()), startedAt: at })],
    ['its id', (at: Date) => ({ id: ulid(at.getTime()), startedAt: noon })],
  ] as const)('passes over a point that is dated ahead by %s, and rings', async (_by, dated) => {
    const now = new Date(noon.getTime() + 7_200_000);
    const ages = () => measureAges({ vault: copies.vault, plan: examplePlan, now: () => now });
    const ahead = (ms: number) => dated(new Date(now.getTime() + ms));
    await copies.backUp(ahead(10_001));
    const rings = (value: number) => ({ name: 'verification_failed_total', unit: 'Count', value, source });
    const first = await ages();
    expect(first.reply.sources).toEqual([{ source, datedAhead: [expect.any(String)] }]);
    expect(first.metrics).toEqual([rings(1)]);
    const { id } = await copies.backUp({ id: ulid(noon.getTime() - 1000) });
    const second = await ages();
    expect(second.reply.sources).toMatchObject([{ recoveryPointId: id, ageHours: 2 }]);
    expect(second.metrics).toEqual([rings(1), { name: 'backup_age_hours', unit: 'Count', value: 2, source }]);
    copies.remove();
    copies = await startCopies();
    const atLimit = await copies.backUp(ahead(10_000));
    const third = await measureAges({ vault: copies.vault, plan: examplePlan, now: () => now });
    expect(third.reply.sources).toEqual([
      { source, recoveryPointId: atLimit.id, ageHours: expect.any(Number) },
    ]);
  });
});
