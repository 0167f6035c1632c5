import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import { checkPlan } from './load-plan.ts';
import { formatProblem, type PlanProblem } from './plan-problem.ts';

const now = new Date('2026-11-21T10:00:00Z');

/** A plan that passes, to change one thing in. */
export const base = `name: acme
account: "111122223333"
regions: { primary: us-east-1, standby: us-west-2 }
vault: { retentionDays: 400 }
sources:
  shop-db:
    engine: postgres
    tier: 4
    connection: { secret: shop-db/backup }
    schedule: { full: "rate(6 hours)" }
`;

/** The base plan with one thing changed: `change('sources.shop-db.tier', 9)`. */
export function change(at: string, value: unknown): string {
  const plan = parse(base);
  const steps = at.split('.');
  const last = steps.pop() as string;
  let node = plan;
  for (const step of steps) node = node[step] ??= {};
  node[last] = value;
  return stringify(plan);
}

export const check = (text: string) => checkPlan(text, 'holdfast.yaml', { now });
export const problemsOf = (text: string) => check(text).problems;
/** Expects exactly one problem and gives it. */
export function only(text: string) {
  const problems = problemsOf(text);
  expect(problems.map(formatProblem)).toHaveLength(1);
  return problems[0] as PlanProblem;
}
