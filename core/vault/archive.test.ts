import { describe, expect, it } from 'vitest';
import { adviseThaw, type ArchivedObject, thawOf } from './archive.ts';

const gb = 2 ** 30;
const place = { url: 's3://acme-vault/team', folder: 'v1/shop-db/ID/data/' };
const objects = (count: number, more: Partial<ArchivedObject> = {}): ArchivedObject[] =>
  Array.from({ length: count }, (_, n) => ({
    key: `v1/shop-db/ID/data/${n}.zst.enc`,
    versionId: `version-${n}`,
    storedBytes: gb,
    storageClass: 'DEEP_ARCHIVE',
    thawing: false,
    ...more,
  }));

describe('thaw advice', () => {
  it.each([
    // 100 × ($0.02 + 7/30 × $0.023) + 100 × $0.0001; 100 × ($0.0025 + 7/30 × $0.023) + 100 × $0.000025
    [
      'DEEP_ARCHIVE',
      'Standard takes up to 12 hours and costs about $2.55',
      'Bulk takes up to 48 hours and costs about $0.79',
    ],
    // 100 × ($0.01 + 7/30 × $0.023) + 100 × $0.00005; 100 × 7/30 × $0.023
    [
      'GLACIER',
      'Standard takes 3 to 5 hours and costs about $1.54',
      'Bulk takes 5 to 12 hours and costs about $0.54',
    ],
  ] as const)('names times and prices of %s', (storageClass, standard, bulk) => {
    const { detail, hint } = adviseThaw(objects(100, { storageClass }), place);
    expect(detail).toBe(`100 objects of 107.4 GB in ${storageClass}, not thawed`);
    expect(hint).toContain(`${standard}, ${bulk} (list prices of us-east-1, 2026-05`);
  });

  it('adds up both classes and takes the time of the slower one', () => {
    const mixed = [...objects(1), ...objects(2, { storageClass: 'GLACIER', storedBytes: 500_000 })];
    const { detail, hint } = adviseThaw(mixed, place);
    expect(detail).toBe('2 objects of 1.0 MB in GLACIER and 1 object of 1.1 GB in DEEP_ARCHIVE, not thawed');
    expect(hint).toContain('Standard takes up to 12 hours and costs about $0.03');
  });

  it('says so little of what is next to nothing', () => {
    const { hint } = adviseThaw(objects(1, { storedBytes: 1000 }), place);
    expect(hint).toContain('costs less than $0.01');
  });

  it('orders only what is not ordered yet', () => {
    const [first, second] = objects(2);
    const half = adviseThaw([first!, { ...second!, thawing: true }], place);
    expect(half.detail).toBe('2 objects of 2.1 GB in DEEP_ARCHIVE, 1 of them being thawed');
    expect(half.hint).toContain('team/v1/shop-db/ID/data/0.zst.enc version-0 |');
    expect(half.hint).not.toContain('1.zst.enc');
  });

  it('says to wait, and how to look, when everything is being thawed', () => {
    const { detail, hint } = adviseThaw(objects(2, { thawing: true }), place);
    expect(detail).toBe('2 objects of 2.1 GB in DEEP_ARCHIVE, the thaw is under way');
    expect(hint).toMatch(/^wait.*up to 12 hours.*up to 48 hours/);
    expect(hint).toContain(
      'aws s3api head-object --bucket acme-vault --key team/v1/shop-db/ID/data/0.zst.enc --version-id version-0 --query Restore',
    );
    expect(hint).not.toContain('restore-object');
  });

  it('names objects up to 50 and their folder from 51 on', () => {
    expect(adviseThaw(objects(50), place).hint).toContain("printf '%s %s\\n' team/v1/");
    const many = adviseThaw(objects(51), place).hint;
    expect(many).toContain('list-object-versions --bucket acme-vault --prefix team/v1/shop-db/ID/data/ ');
    expect(many).not.toContain('0.zst.enc');
  });
});

describe('the state of an archived object', () => {
  it.each([
    ['DEEP_ARCHIVE', undefined, { archived: true, thawing: false }],
    ['GLACIER', 'ongoing-request="true"', { archived: true, thawing: true }],
    ['GLACIER', 'ongoing-request="false", expiry-date="Fri, 21 Dec 2026 00:00:00 GMT"', {}],
    ['GLACIER_IR', undefined, {}],
    ['STANDARD_IA', undefined, {}],
    [undefined, undefined, {}],
  ])('%s with x-amz-restore %s', (storageClass, restore, expected) => {
    expect(thawOf(storageClass, restore)).toEqual(expected);
  });
});
