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
});
