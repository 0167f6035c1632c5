import { describe, expect, it } from 'vitest';
import type { RebuildEntry, RebuildPlan } from '../../core/catalog/rebuild-catalog.ts';
import type { RecoveryPoint } from '../../core/catalog/recovery-point.ts';
import { describeRebuild, reportRebuild } from './rebuild.ts';

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
  damaged: [],
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

  it('names what is damaged and ends with exit code 1, and with 0 where nothing is', () => {
    const damaged = [{ source: 'shop-db', id: '01H', code: 'MANIFEST_SIGNATURE' }];
    const done = { created: 1, changed: 0, kept: 0 };
    const report = reportRebuild({ ...plan(entry('create')), damaged }, regions, done);
    expect(report).toMatchObject({ exitCode: 1, json: { damaged, created: 1 } });
    expect(report.text).toContain(
      '1 recovery point damaged and not recorded: shop-db 01H (MANIFEST_SIGNATURE); is the copy in us-east-1 whole?',
    );
    expect(reportRebuild({ ...plan(), damaged }, regions, undefined).exitCode).toBe(1);
    expect(reportRebuild(plan(entry('create')), regions, done).exitCode).toBe(0);
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
