import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ListTaskDefinitionsCommand, ECSClient } from '@aws-sdk/client-ecs';
import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketReplicationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ListStateMachinesCommand, SFNClient } from '@aws-sdk/client-sfn';
import { HoldfastError } from '../../core/errors.ts';
import { deploymentNames, stateMachineNames } from '../../core/plan/names.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Sandbox } from '../sandbox.ts';

/**
 * That a stack deployed proves little on an emulator, which may drop a property in silence. So each property that the
 * product relies on is read back through the API. @throws SANDBOX naming everything that is missing
 */
export async function readBack(sandbox: Sandbox, plan: Plan): Promise<void> {
  const { primary, standby } = plan.regions;
  const missing = (
    await Promise.all([checkRegion(sandbox, plan, primary), checkRegion(sandbox, plan, standby)])
  ).flat();
  if (missing.length > 0) {
    throw new HoldfastError(
      'SANDBOX',
      `the deployment lacks what the product relies on:\n  ${missing.join('\n  ')}`,
      {
        hint: 'does the emulator drop this property? It needs a correction in sandbox/aws/launcher/corrections',
      },
    );
  }
}

type Check = readonly [name: string, holds: () => Promise<boolean>];

async function checkRegion(sandbox: Sandbox, plan: Plan, region: string): Promise<string[]> {
  const checks = [...vaultChecks(sandbox, plan, region), ...controlChecks(sandbox, plan, region)];
  const results = await Promise.all(
    checks.map(async ([name, holds]) => ({ name, ok: await holds().catch(() => false) })),
  );
  return results.filter(({ ok }) => !ok).map(({ name }) => `${region}: ${name}`);
}

function settings(sandbox: Sandbox, region: string) {
  return {
    region,
    endpoint: sandbox.endpoint,
    credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
  };
}

function vaultChecks(sandbox: Sandbox, plan: Plan, region: string): Check[] {
  const names = deploymentNames(plan);
  const s3 = new S3Client(settings(sandbox, region));
  const kms = new KMSClient(settings(sandbox, region));
  const bucket = { Bucket: names.vaultBucket(region) };
  const peer = names.vaultBucket(
    region === plan.regions.primary ? plan.regions.standby : plan.regions.primary,
  );
  const checks: Check[] = [
    [
      'versioning of the vault',
      async () => (await s3.send(new GetBucketVersioningCommand(bucket))).Status === 'Enabled',
    ],
    [
      'lifecycle that ends dead uploads and tiers by the tag holdfast=data',
      async () => {
        const { Rules } = await s3.send(new GetBucketLifecycleConfigurationCommand(bucket));
        const tiered =
          plan.vault.tiers.warmAfterDays !== undefined || plan.vault.tiers.coldAfterDays !== undefined;
        const tags = JSON.stringify(Rules).includes('"holdfast"');
        return (Rules ?? []).length > 0 && (!tiered || tags);
      },
    ],
    [
      `replication to ${peer}`,
      async () => {
        const { ReplicationConfiguration } = await s3.send(new GetBucketReplicationCommand(bucket));
        return (
          ReplicationConfiguration?.Rules?.some(
            (rule) => rule.Status === 'Enabled' && rule.Destination?.Bucket?.endsWith(peer),
          ) ?? false
        );
      },
    ],
    [
      'a bucket policy that denies',
      async () => (await s3.send(new GetBucketPolicyCommand(bucket))).Policy?.includes('"Deny"') ?? false,
    ],
    ...[names.vaultKeyAlias, names.signingKeyAlias].map((alias): Check => [
      `multi-Region key ${alias}`,
      async () =>
        (await kms.send(new DescribeKeyCommand({ KeyId: alias }))).KeyMetadata?.MultiRegion === true,
    ]),
  ];
  if (plan.vault.lock !== 'none') {
    checks.push([
      `${plan.vault.lock} lock on the vault`,
      async () => {
        const { ObjectLockConfiguration: lock } = await s3.send(
          new GetObjectLockConfigurationCommand(bucket),
        );
        return lock?.Rule?.DefaultRetention?.Mode === plan.vault.lock.toUpperCase();
      },
    ]);
  }
  return checks;
}

function controlChecks(sandbox: Sandbox, plan: Plan, region: string): Check[] {
  const names = deploymentNames(plan);
  const ecs = new ECSClient(settings(sandbox, region));
  const sfn = new SFNClient(settings(sandbox, region));
  const dynamodb = new DynamoDBClient(settings(sandbox, region));
  return [
    [
      'the catalogue table',
      async () =>
        (await dynamodb.send(new DescribeTableCommand({ TableName: names.table }))).Table?.TableStatus ===
        'ACTIVE',
    ],
    [
      'the three state machines',
      async () => {
        const { stateMachines } = await sfn.send(new ListStateMachinesCommand({ maxResults: 1_000 }));
        const there = new Set(stateMachines?.map((machine) => machine.name));
        return stateMachineNames.every((name) => there.has(names.stateMachine(name)));
      },
    ],
    [
      'the task definitions',
      async () => {
        const { taskDefinitionArns } = await ecs.send(new ListTaskDefinitionsCommand({}));
        return ['postgres-backup', 'postgres-restore', 'postgres-restore-test-18'].every((family) =>
          taskDefinitionArns?.some((arn) => arn.includes(`/${names.prefix}-${family}:`)),
        );
      },
    ],
  ];
}
