import type { Deployment } from './deployment.ts';
import type { Finding } from './doctor-look.ts';

/** Processors of a source's tasks when its backup and its restore test run at once; see `infra/constructs/job-tasks.ts`. */
const backupProcessors = 2;
const restoreTestProcessors = 4;

/** Nobody here asks Service Quotas, which is said, with what the quota must hold, and never counted as fine. */
export function quotas({ plan }: Deployment, region: string): Finding {
  const each = backupProcessors + restoreTestProcessors;
  const wanted = plan.sources.length * each;
  return {
    what: 'quota of Fargate',
    region,
    state: 'unknown',
    detail: `not looked at: doctor does not ask Service Quotas; the jobs of all sources at once take ${wanted} vCPU (a backup or restore ${backupProcessors}, a restore test ${restoreTestProcessors})`,
    fix: `aws service-quotas list-service-quotas --region ${region} --service-code fargate must name at least ${wanted} for "Fargate On-Demand vCPU resource count"`,
  };
}
