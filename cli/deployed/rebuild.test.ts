import { describe, expect, it } from 'vitest';
import type { RebuildEntry, RebuildPlan } from '../../core/catalog/rebuild-catalog.ts';
import type { RecoveryPoint } from '../../core/catalog/recovery-point.ts';
import { describeRebuild } from './rebuild.ts';

const regions = { region: 'us-west-2', peerRegion: 'us-east-1' };
const point = { source: 'shop-db', id: '01K', state: 'storedPeerDown' } as RecoveryPoint;
const entry = (action: RebuildEntry['action'], compared = true): RebuildEntry => ({
  action,
  point,
  compared,
});
const plan = (...entries: RebuildEntry[]): RebuildPlan => ({
  entries,
  notInVault: [],
  strayFolders: [],
  notCompared: entries.filter(({ compared }) => !compared).length,
});

describe('describeRebuild', () => {
  it.each([
    [plan(entry('keep'), entry('keep')), '2 recovery points in the vault of us-west-2, all known already'],
    [plan(entry('keep')), '1 recovery point in the vault of us-west-2, known already'],
    [plan(), '0 recovery points in the vault of us-west-2, nothing to record'],
  ])('does not call it "0 written" when nothing was missing', (unchanged, text) => {
    expect(describeRebuild(unchanged, regions, true)).toBe(text);
  });

  it('lists what it wrote, and what it would write', () => {
    const created = plan(entry('create'), entry('keep'));
    const text = describeRebuild(created, regions, true);
    expect(text).toContain('storedPeerDown');
    expect(text.endsWith('2 recovery points in the vault of us-west-2, 1 written')).toBe(true);
    expect(describeRebuild(created, regions, false)).toContain('1 would change');
  });

  it('says which points were not compared with the other Region, and what to do then', () => {
    expect(
      describeRebuild(plan(entry('keep', false)), regions, true)
        .split('\n')
        .at(-1),
    ).toBe(
      '1 recovery point not compared with the copy in us-east-1: rebuild again, without --peer-lost, once it answers',
    );
  });
});
