import { beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedResource } from '../testing/resolve.ts';
import { examplePlan, testStacks } from '../testing/test-app.ts';

let resources: readonly ResolvedResource[];
beforeAll(async () => {
  ({ resources } = testStacks(await examplePlan('acme')));
});

const of = (type: string, region: string) =>
  resources.filter((one) => one.type === type && one.region === region).map(({ properties }) => properties);
const writer = (region: string) =>
  of('AWS::Lambda::Function', region).find(
    ({ FunctionName }) => FunctionName === 'holdfast-acme-canary-shop-db',
  );
const policyOf = (region: string) =>
  of('AWS::IAM::Policy', region)
    .filter(({ PolicyName }) => String(PolicyName).startsWith('CanariesshopdbWriter'))
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement as any[]);

describe('a writer of canaries', () => {
  it('runs in the network of the plan where there is one, and else outside any VPC', () => {
    expect(writer('us-east-1')?.['VpcConfig']).toEqual({
      SubnetIds: ['subnet-0a1b2c3d4e5f60718', 'subnet-1a1b2c3d4e5f60718'],
      SecurityGroupIds: ['sg-0a1b2c3d4e5f60718'],
    });
    expect(writer('us-west-2')).toBeDefined();
    expect(writer('us-west-2')).not.toHaveProperty('VpcConfig');
  });

  it('may read its two secrets and which Region is active, and nothing else', () => {
    for (const region of ['us-east-1', 'us-west-2']) {
      const allowed = policyOf(region).filter(({ Effect }) => Effect === 'Allow');
      const actions = allowed.flatMap(({ Action }) => [Action].flat());
      expect(actions.filter((action) => !/^(logs|ec2):/.test(action)).toSorted()).toEqual([
        'dynamodb:GetItem',
        'kms:Decrypt',
        'secretsmanager:GetSecretValue',
      ]);
      const secrets = allowed.find(({ Action }) => Action === 'secretsmanager:GetSecretValue');
      expect(secrets.Resource).toEqual(
        ['key', 'writer'].map(
          (kind) =>
            `arn:aws:secretsmanager:${region}:111122223333:secret:holdfast-acme/canary-${kind}/shop-db-??????`,
        ),
      );
      const item = allowed.find(({ Action }) => Action === 'dynamodb:GetItem');
      expect(item.Condition).toMatchObject({
        'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['CONTROL'] },
      });
    }
    const denied = policyOf('us-east-1').find(({ Effect }) => Effect === 'Deny');
    expect(denied.Action).toContain('ec2:CreateNetworkInterface');
  });

  it('has a key that is made once and copied to the other Region', () => {
    expect(of('AWS::SecretsManager::Secret', 'us-east-1')).toMatchObject([
      { Name: 'holdfast-acme/canary-key/shop-db', ReplicaRegions: [{ Region: 'us-west-2' }] },
    ]);
    expect(of('AWS::SecretsManager::Secret', 'us-west-2')).toEqual([]);
  });

  it('rings in both Regions when two periods pass without a good run', () => {
    for (const region of ['us-east-1', 'us-west-2']) {
      const alarm = of('AWS::CloudWatch::Alarm', region).find(
        ({ AlarmName }) => AlarmName === 'holdfast-acme-canary-not-written-shop-db',
      );
      expect(alarm).toMatchObject({
        MetricName: 'canary_not_written',
        TreatMissingData: 'breaching',
        EvaluationPeriods: 2,
      });
    }
  });

  it('is not there for a plan without canaries', async () => {
    const { resources: none } = testStacks(await examplePlan('minimal'));
    expect(none.filter(({ type }) => type === 'AWS::SecretsManager::Secret')).toEqual([]);
    expect(JSON.stringify(none)).not.toContain('canary');
  });
});
