import type { ReplicationRule } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { deploymentNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import { examplePlan, testStacks } from '../../infra/testing/test-app.ts';
import { problemOfRule } from './doctor-replication.ts';

const { breakGlassPublicKey, ...withoutKey } = (await examplePlan('acme')).vault;

/** The rule that the stacks give the primary's bucket, and what doctor wants of it. */
async function deployedRule(vault: Plan['vault']) {
  const plan = { ...(await examplePlan('acme')), vault };
  const names = deploymentNames(plan);
  const bucket = names.vaultBucket(plan.regions.primary);
  const found = testStacks(plan).resources.find(
    ({ type, properties }) => type === 'AWS::S3::Bucket' && properties['BucketName'] === bucket,
  );
  const rule = found?.properties['ReplicationConfiguration'].Rules[0] as ReplicationRule;
  const timeControl = vault.replicationTimeControl;
  return { rule, wanted: { bucket: names.vaultBucket(plan.regions.standby), timeControl } };
}

describe('the replication that the stacks make', () => {
  const vaults: [string, boolean, Plan['vault']][] = [
    ['with a break-glass key', false, { ...withoutKey, breakGlassPublicKey }],
    ['without one', true, withoutKey],
    ['without time control', true, { ...withoutKey, replicationTimeControl: false }],
  ];
  it.each(vaults)(
    'is found right %s, and wrong in the other kind of plan',
    async (_which, underKms, vault) => {
      const { rule, wanted } = await deployedRule(vault);
      expect(problemOfRule(rule, { ...wanted, underKms })).toBeUndefined();
      expect(problemOfRule(rule, { ...wanted, underKms: !underKms })).toMatch(
        underKms
          ? /^encrypts copies with arn:aws:kms:.*; with a break-glass key/
          : /^leaves out objects encrypted/,
      );
      expect(problemOfRule(rule, { ...wanted, underKms, timeControl: !wanted.timeControl })).toMatch(
        /^time control is/,
      );
    },
  );
});
