import { HoldfastError } from '../../core/errors.ts';
import type { TargetPlan } from '../../core/plan/plan.ts';
import type { Deployment } from './deployment.ts';

/** @throws TARGET_NOT_FOUND when the plan has no such target, or has it in another Region */
export function targetOf({ plan, region }: Pick<Deployment, 'plan' | 'region'>, id: string): TargetPlan {
  const target = plan.targets.find((candidate) => candidate.id === id);
  if (target === undefined) {
    const known =
      plan.targets.map((candidate) => `${candidate.id} (${candidate.region})`).join(', ') || 'none';
    throw new HoldfastError('TARGET_NOT_FOUND', `the plan has no target ${id}; it has ${known}`);
  }
  if (target.region !== region) {
    throw new HoldfastError('TARGET_NOT_FOUND', `the target ${id} is in ${target.region}, not in ${region}`, {
      hint: `restore there: --region ${target.region}`,
    });
  }
  return target;
}
