import { GetObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { clientSettings, type Deployment } from './deployment.ts';
import { Fault, type Look, revertFix } from './doctor-look.ts';

/** Whether a vault locks as the plan says. Without locks a stolen administrator's login is the end of every backup. */
export function lockOfVault(
  deployment: Pick<Deployment, 'names' | 'plan' | 'planFile'>,
  region: string,
): Look {
  const { names, plan } = deployment;
  const { lock, retentionDays } = plan.vault;
  const Bucket = names.vaultBucket(region);
  const wanted = lock === 'none' ? 'none' : inWords(lock, retentionDays);
  return {
    what: `lock of ${Bucket}`,
    fix: `${revertFix(deployment)}; objects that are stored already keep their own locks`,
    look: async () => {
      const client = new S3Client({ region, ...clientSettings });
      const found = await client.send(new GetObjectLockConfigurationCommand({ Bucket })).then(
        ({ ObjectLockConfiguration }) => ObjectLockConfiguration?.Rule?.DefaultRetention,
        (error: unknown) => {
          if ((error as Error).name === 'ObjectLockConfigurationNotFoundError') return undefined;
          throw error;
        },
      );
      const actual =
        found === undefined ? 'none' : inWords(String(found.Mode).toLowerCase(), found.Days ?? 0);
      if (actual !== wanted) throw new Fault(`is ${actual}, the plan says ${wanted}`);
      return lock === 'compliance' ? actual : `${actual}: ${warnings[lock]}`;
    },
  };
}

const warnings = {
  governance: 'lifted by whoever may s3:BypassGovernanceRetention',
  none: 'whoever takes over the account deletes the backups',
};

function inWords(mode: string, days: number): string {
  return `${mode} for ${days} ${days === 1 ? 'day' : 'days'}`;
}
