import fs from 'node:fs';
import path from 'node:path';
import { HoldfastError } from '../core/errors.ts';

export interface PlanNamed {
  /** Of `-c plan=FILE`. */
  readonly context: string | undefined;
  /** Of HOLDFAST_PLAN, which the command line takes as well. */
  readonly environment: string | undefined;
}

/**
 * The plan to build: `-c plan=FILE`, else HOLDFAST_PLAN, else `holdfast.yaml` of the folder. Never an example: somebody
 * would deploy it.
 * @throws USAGE when there is none of these
 */
export function planFileOf({ context, environment }: PlanNamed): string {
  const given = context ?? (environment === '' ? undefined : environment);
  if (given !== undefined) return path.resolve(given);
  const own = path.resolve('holdfast.yaml');
  if (fs.existsSync(own)) return own;
  throw new HoldfastError('USAGE', `no plan was given, and there is no ${own}`, {
    hint: 'name it with -c plan=FILE or in HOLDFAST_PLAN; npx holdfast plan check FILE says whether it is sound',
  });
}
