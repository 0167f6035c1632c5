import fs from 'node:fs';
import { HoldfastError } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';

/** The resolved plan that deployment puts beside a function; it was checked when it was made. */
export function readPlanFile(file: URL): Plan {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Plan;
  } catch (error) {
    throw new HoldfastError('PLAN_INVALID', 'the plan beside the function cannot be read', {
      hint: 'was the function deployed by cdk deploy of this project?',
      cause: error,
    });
  }
}
