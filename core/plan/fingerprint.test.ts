import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { planFingerprint } from './fingerprint.ts';
import { checkPlan } from './load-plan.ts';
import type { Plan } from './plan.ts';

const file = path.resolve(import.meta.dirname, '../../examples/acme.yaml');
const text = fs.readFileSync(file, 'utf8');
const read = (changed: string, now = new Date()): Plan => {
  const { plan } = checkPlan(changed, file, { now });
  if (plan === undefined) throw new Error('the plan of the test has problems');
  return plan;
};

describe('the fingerprint of a plan', () => {
  it('is the same whatever the comments and the day', () => {
    const one = planFingerprint(read(text, new Date('2026-01-01T00:00:00Z')));
    expect(one).toMatch(/^[0-9a-f]{16}$/);
    const other = `# another comment\n${text.replace('lock: compliance #', 'lock:   compliance #')}`;
    expect(planFingerprint(read(other, new Date('2026-07-01T00:00:00Z')))).toBe(one);
  });

  it.each([
    ['retentionDays: 400', 'retentionDays: 401'],
    ['connections: 4', 'connections: 5'],
    ['secret: shop-db/beside', 'secret: shop-db/aside'],
    ['onDdl: yield', 'onDdl: hold'],
  ])('is another one when %s becomes %s', (before, after) => {
    expect(text).toContain(before);
    expect(planFingerprint(read(text.replace(before, after)))).not.toBe(planFingerprint(read(text)));
  });
});
