import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Comparison, compareWithControl } from './testing/hostile/against-control.ts';
import { Harness } from './testing/harness.ts';

/** The first seed; one that failed is given here to be tried alone. */
const given = process.env['HOLDFAST_TEST_SEED'];
const first = Number(given ?? 1);
const count = Number(process.env['HOLDFAST_TEST_SEEDS'] ?? (given === undefined ? 200 : 1));
/** Seeds that share a database: making, dumping and restoring a database costs more than what is in it. */
const perDatabase = 4;
const databasesAtOnce = 3;

describe('hostile databases', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start(18, { autovacuum: 'off' }, { trust: true });
  });
  afterAll(() => harness.stop());

  it(
    'come back as by pg_dump and pg_restore, with the same faults',
    async () => {
      const seeds = Array.from({ length: count }, (_, at) => first + at);
      const batches = Array.from({ length: Math.ceil(count / perDatabase) }, () =>
        seeds.splice(0, perDatabase),
      );
      const total = batches.length;
      const done: Comparison[] = [];
      const failed: string[] = [];
      const lane = async () => {
        for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
          const name = `HOLDFAST_TEST_SEED=${batch[0]} HOLDFAST_TEST_SEEDS=${batch.length}`;
          const comparison = await compareWithControl(harness, batch).catch((error: Error) => {
            failed.push(`${name}: ${error.message}`);
          });
          if (comparison === undefined) continue;
          done.push(comparison);
          if (comparison.differences.length > 0)
            failed.push(`${name}: ${comparison.differences.slice(0, 8).join('\n  ')}`);
        }
      };
      await Promise.all(Array.from({ length: databasesAtOnce }, lane));
      const sum = (pick: (comparison: Comparison) => number) =>
        done.reduce((all, each) => all + pick(each), 0);
      console.log(
        `seeds ${first} to ${first + count - 1}, ${total} databases: ${sum(({ accepted }) => accepted)} of ${sum(({ statements }) => statements)} statements taken, ${sum(({ faults }) => faults)} faults in ${done.filter(({ faults }) => faults > 0).length} of them`,
      );
      expect(failed.join('\n')).toBe('');
      expect(done).toHaveLength(total);
    },
    count * 20_000 + 60_000,
  );
});
