import { describe, expect, it } from 'vitest';
import { base, change, check, only, problemsOf } from './testing.ts';

describe('canary', () => {
  const every = (value: string) => change('sources.shop-db.canary', { every: value });

  it.each(['5s', '59s', '60s', '1m', '2m', '1h'])('may be written every %s', (value) => {
    expect(problemsOf(every(value))).toEqual([]);
  });

  it.each(['4s', '61s', '90s', '3601s', '61m'])('is refused every %s', (value) => {
    expect(only(every(value))).toMatchObject({
      path: 'sources.shop-db.canary.every',
      allowed: expect.stringContaining('5s to 1h'),
    });
  });

  it.each(['pg_x', 'Bad', '1x', 'a-b'])('takes no schema %s', (schema) => {
    expect(only(change('sources.shop-db.canary', { schema })).path).toBe('sources.shop-db.canary.schema');
  });

  it('takes its defaults from an empty mapping', () => {
    const { plan } = check(change('sources.shop-db.canary', {}));
    expect(plan?.sources[0]?.canary).toEqual({ everySeconds: 60, schema: 'holdfast' });
    expect(check(base).plan?.sources[0]).not.toHaveProperty('canary');
  });
});
