import { parseDuration } from './duration.ts';
import { type Finding, formatPath } from './plan-problem.ts';
import { valueAt } from './schema-findings.ts';

const leastSeconds = 5;
const mostSeconds = 3600;

/** How often a canary is written: EventBridge Scheduler counts in minutes, and below one the writer does. */
export function canaryRules(document: unknown, id: string): Finding[] {
  const path = ['sources', id, 'canary', 'every'];
  const value = valueAt(document, path);
  const seconds = typeof value === 'string' ? parseDuration(value) : undefined;
  if (seconds === undefined) return [];
  if (seconds >= leastSeconds && seconds <= mostSeconds && (seconds < 60 || seconds % 60 === 0)) return [];
  return [
    {
      path,
      message: `${formatPath(path)} does not fit`,
      value: String(value),
      allowed: '5s to 1h; from one minute on whole minutes, which is what EventBridge Scheduler counts in',
    },
  ];
}
