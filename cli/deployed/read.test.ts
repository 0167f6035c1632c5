import { describe, expect, it } from 'vitest';
import type { RecoveryPoint } from '../../core/catalog/recovery-point.ts';
import { arrivingNewest } from './read.ts';

const point = (source: string, id: string, state: RecoveryPoint['state']) => ({ source, id, state });
const arriving = (id: string) => ({ id, code: 'RECOVERY_POINT_ARRIVING' });

describe('arriving points that a restore of latest passes over', () => {
  it('are the newest ones of each source, up to the first that is whole', () => {
    expect(
      arrivingNewest([
        point('a', '5', 'arriving'),
        point('b', '4', 'stored'),
        point('a', '3', 'arriving'),
        point('b', '2', 'arriving'),
        point('a', '1', 'protected'),
        point('a', '0', 'arriving'),
      ]),
    ).toEqual([['a', [arriving('5'), arriving('3')]]]);
  });

  it('are all of them when none is whole', () => {
    expect(arrivingNewest([point('a', '1', 'arriving')])).toEqual([['a', [arriving('1')]]]);
    expect(arrivingNewest([])).toEqual([]);
  });
});
