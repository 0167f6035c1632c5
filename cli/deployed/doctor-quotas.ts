import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  NoSuchResourceException,
  ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import { taskProcessors } from '../../core/plan/task-size.ts';
import { clientSettings, type Deployment } from './deployment.ts';
import { Fault, type Look, Unknown } from './doctor-look.ts';

/** "Fargate On-Demand vCPU resource count", of an account and Region: https://docs.aws.amazon.com/general/latest/gr/ecs-service.html */
const onDemandProcessors = { ServiceCode: 'fargate', QuotaCode: 'L-3032A538' } as const;

/**
 * Whether the tasks of all sources may run at once: a backup or a restore and a restore test of each. A new account may have far
 * less than the default, and a task above the quota does not start. What else runs in the account counts as well, and is not
 * looked at.
 */
export function quotas({ plan }: Deployment, region: string): Look {
  const { backup, 'restore-test': test } = taskProcessors;
  const wanted = plan.sources.length * (backup + test);
  const { ServiceCode, QuotaCode } = onDemandProcessors;
  return {
    what: 'quota of Fargate',
    fix: `aws service-quotas request-service-quota-increase --region ${region} --service-code ${ServiceCode} --quota-code ${QuotaCode} --desired-value ${wanted}, and wait until it is granted`,
    look: async () => {
      const client = new ServiceQuotasClient({ region, ...clientSettings });
      // Where nothing was ever raised or lowered there is no applied quota, and the default holds:
      // https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
      const { Quota } = await client.send(new GetServiceQuotaCommand(onDemandProcessors)).catch((error) => {
        if (!(error instanceof NoSuchResourceException)) throw error;
        return client.send(new GetAWSDefaultServiceQuotaCommand(onDemandProcessors));
      });
      if (Quota?.Value === undefined) throw new Unknown('Service Quotas names no value for it');
      const need = `the jobs of all sources at once take ${wanted} (a backup or restore ${backup}, a restore test ${test})`;
      if (Quota.Value < wanted) throw new Fault(`is ${Quota.Value} vCPU; ${need}`);
      return `${Quota.Value} vCPU; ${need}`;
    },
  };
}
