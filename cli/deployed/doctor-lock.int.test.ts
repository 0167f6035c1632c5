import { CreateBucketCommand, PutObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examplePlan } from '../../core/jobs/testing.ts';
import { deploymentNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { type LocalAws, startAws } from '../../sandbox/aws/local-aws.ts';
import { diagnose } from './doctor-look.ts';
import { lockOfVault } from './doctor-lock.ts';

const region = 'us-east-1';
let aws: LocalAws;
let s3: S3Client;
let buckets = 0;
const before = { ...process.env };
beforeAll(async () => {
  aws = await startAws();
  Object.assign(process.env, aws.environment);
  s3 = new S3Client({ region, forcePathStyle: true });
});
afterAll(async () => {
  s3.destroy();
  process.env = before;
  await aws.stop();
});

/** What the doctor says about a plan with one lock and a bucket with another. */
async function told(
  planned: Partial<Plan['vault']>,
  deployed?: { Mode: 'COMPLIANCE' | 'GOVERNANCE'; Days: number },
) {
  buckets += 1;
  const plan = { ...examplePlan, name: `lock-${buckets}`, vault: { ...examplePlan.vault, ...planned } };
  const names = deploymentNames(plan);
  const Bucket = names.vaultBucket(region);
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: deployed !== undefined }));
  if (deployed !== undefined) {
    const lock = { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: deployed } } as const;
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: lock }));
  }
  return diagnose(lockOfVault({ plan, names, planFile: '/plans/a plan.yaml' }, region), region);
}

describe('the doctor on locks', () => {
  const compliance = { lock: 'compliance', retentionDays: 30 } as const;
  const governance = { lock: 'governance', retentionDays: 1 } as const;

  it('is content with the lock of the plan', async () => {
    expect(await told(compliance, { Mode: 'COMPLIANCE', Days: 30 })).toMatchObject({
      state: 'ok',
      detail: 'compliance for 30 days',
    });
  });

  it('warns of locks that can be lifted and of none', async () => {
    expect(await told(governance, { Mode: 'GOVERNANCE', Days: 1 })).toMatchObject({
      state: 'ok',
      detail: 'governance for 1 day: lifted by whoever may s3:BypassGovernanceRetention',
    });
    expect(await told({ lock: 'none' })).toMatchObject({
      state: 'ok',
      detail: expect.stringMatching(/^none: /),
    });
  });

  it('finds another mode, another time and no lock', async () => {
    const faults = [
      await told(compliance, { Mode: 'GOVERNANCE', Days: 30 }),
      await told(compliance, { Mode: 'COMPLIANCE', Days: 29 }),
      await told(compliance),
      await told(governance, { Mode: 'COMPLIANCE', Days: 1 }),
    ];
    expect(faults.map(({ state, detail }) => [state, detail])).toEqual([
      ['FAULT', 'is governance for 30 days, the plan says compliance for 30 days'],
      ['FAULT', 'is compliance for 29 days, the plan says compliance for 30 days'],
      ['FAULT', 'is none, the plan says compliance for 30 days'],
      ['FAULT', 'is compliance for 1 day, the plan says governance for 1 day'],
    ]);
    expect(faults[0]?.fix).toMatch(/^npx cdk deploy --all -c plan='\/plans\/a plan\.yaml' --revert-drift; /);
  });
});
