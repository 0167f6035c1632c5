import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { CheckResult } from '../../../core/engines/engine.ts';
import { readCanaryKey } from '../../../core/jobs/canary-key.aws.ts';
import { createPostgresEngine } from '../../../core/engines/postgres/postgres-engine.ts';
import { deploymentNames } from '../../../core/plan/names.ts';
import { manifestKey } from '../../../core/vault/layout.ts';
import { type Manifest, manifestSchema } from '../../../core/vault/manifest.ts';
import { checksFailed, type Drill, made } from '../drill-context.ts';
import { aloneCheck, sayCount } from '../report/words.ts';
import { compareWithAcknowledged } from '../workload/compare.ts';
import { clientSettings } from './run-machine.ts';
import { sabotage } from './sabotage.ts';
import { checkWithoutLostRegion } from './without-lost-region.ts';

/** Is it all there, and is it right? Only then does the clock of the recovery stop. */
export async function validate(drill: Drill): Promise<void> {
  const { state } = drill;
  await sabotage(drill, 'data');
  await sabotage(drill, 'region');
  await drill.step('validate the restored data', 'standby', async () => {
    const content = await checkContent(drill);
    const comparison = await compare(drill);
    const checks = [...content, ...(comparison?.checks ?? []), checkWithoutLostRegion(drill, aloneCheck)];
    state.checks.push(...checks);
    if (checks.some((check) => !check.ok)) throw checksFailed(state.checks);
    state.validatedAt = new Date();
    const held = `${checks.length} checks hold`;
    return comparison === undefined
      ? held
      : `${held}; ${sayCount(comparison.present)} of ${sayCount(comparison.acknowledged)} acknowledged orders are there, the others came after the snapshot`;
  });
}

/** The checks that ended the restore once more, on what is there now, and how far that reaches. */
async function checkContent(drill: Drill): Promise<CheckResult[]> {
  const source = made(made(drill.state.plan, 'plan').sources[0], 'source');
  const { state } = drill;
  const plan = made(state.plan, 'plan');
  const secrets = new SecretsManagerClient(clientSettings(drill, plan.regions.standby));
  const key = deploymentNames(plan).canaryKeySecret(source.id);
  const { checks, notChecked, recoveredTo } = await createPostgresEngine().check({
    ...(source.canary !== undefined && { canaryKey: await readCanaryKey(secrets, key) }),
    connection: made(drill.state.restored, 'restored server').connection,
    manifest: await readManifest(drill),
    assertions: source.checks,
    signal: drill.options.signal,
  });
  state.notChecked = [...notChecked];
  state.recoveredTo = recoveredTo;
  return [...checks];
}

/** As the restore read it: it has verified the signature before it touched anything. */
async function readManifest(drill: Drill): Promise<Manifest> {
  const plan = made(drill.state.plan, 'plan');
  const region = plan.regions.standby;
  const client = new S3Client(clientSettings(drill, region));
  const { Body } = await client.send(
    new GetObjectCommand({
      Bucket: deploymentNames(plan).vaultBucket(region),
      Key: manifestKey(made(plan.sources[0], 'source').id, made(drill.state.chosen, 'chosen recovery point')),
    }),
  );
  const text = await Body?.transformToString();
  client.destroy();
  return manifestSchema.parse(JSON.parse(text ?? ''));
}

/** What the writers were told was safe, against what came back; nothing of the kind in somebody else's database. */
async function compare({ state }: Drill) {
  const { writer } = state;
  if (writer === undefined) return undefined;
  const found = await compareWithAcknowledged(
    made(state.restored, 'restored server'),
    'postgres',
    writer.acknowledged,
  );
  state.lost = { acknowledged: found.acknowledged, missing: found.missing.length };
  state.missingRanges = ranges(found.missing);
  return found;
}

/** Numbers in ascending order as first and last of each unbroken run. */
function ranges(numbers: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}
