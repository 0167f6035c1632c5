import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Comparison, compareWithControl } from './testing/hostile/against-control.ts';
import { Harness } from './testing/harness.ts';

/** The first seed; one that failed is given here to be tried alone. */
const given = process.env['HOLDFAST_TEST_SEED'];
const first = Number(given ?? 1);
const count = Number(process.env['HOLDFAST_TEST_SEEDS'] ?? (given === undefined ? 100 : 1));
const atOnce = 4;

describe('hostile databases', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start(18);
  });
  afterAll(() => harness.stop());

  it(
    'come back as by pg_dump and pg_restore, with the same faults',
    async () => {
      const seeds = Array.from({ length: count }, (_, at) => first + at);
      const done: Comparison[] = [];
      const failed: string[] = [];
      const lane = async () => {
        for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
          const comparison = await compareWithControl(harness, seed).catch((error: Error) => {
            failed.push(`seed ${seed}: ${error.message}`);
          });
          if (comparison === undefined) continue;
          done.push(comparison);
          if (comparison.differences.length > 0)
            failed.push(`seed ${seed}: ${comparison.differences.slice(0, 8).join('\n  ')}`);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, lane));
      const sum = (pick: (comparison: Comparison) => number) =>
        done.reduce((all, each) => all + pick(each), 0);
      console.log(
        `seeds ${first} to ${first + count - 1}: ${sum(({ accepted }) => accepted)} of ${sum(({ statements }) => statements)} statements taken, ${sum(({ faults }) => faults)} faults in ${done.filter(({ faults }) => faults > 0).length} databases`,
      );
      expect(failed.join('\n')).toBe('');
      expect(done).toHaveLength(count);
    },
    count * 20_000 + 60_000,
  );
});
