import { HeadBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { deploymentNames } from '../../../core/plan/names.ts';
import { dataPrefix } from '../../../core/vault/layout.ts';
import { type Drill, made, type Sabotage } from '../drill-context.ts';
import { sabotageStep } from '../report/words.ts';
import { firstLiveNumber } from '../workload/live-writer.ts';
import { sql } from '../workload/load-shop.ts';
import { clientSettings } from './run-machine.ts';

const descriptions: Readonly<Record<Sabotage, string>> = {
  object: 'hide one object of the newest recovery point in the standby Region',
  data: 'damage the restored rows',
  region: 'switch the lost Region on again in secret, and ask it something',
};

/** Does nothing unless the drill was told to. */
export async function sabotage(drill: Drill, what: Sabotage): Promise<void> {
  if (!drill.options.sabotage.has(what)) return;
  const work = { object: hideObject, data: damageRows, region: askLostRegion }[what];
  await drill.step(`${sabotageStep}${descriptions[what]}`, 'here', () => work(drill));
}

async function hideObject(drill: Drill): Promise<string> {
  const plan = made(drill.state.plan, 'plan');
  const { standby } = plan.regions;
  const newest = made(drill.state.recoveryPoints.at(-1), 'recovery point');
  const client = new S3Client(clientSettings(drill, standby));
  const { Contents } = await client.send(
    new ListObjectsV2Command({
      Bucket: deploymentNames(plan).vaultBucket(standby),
      Prefix: dataPrefix(made(plan.sources[0], 'source').id, newest.id),
    }),
  );
  client.destroy();
  const path = made(Contents?.[0]?.Key, 'object to hide');
  made(drill.state.sandbox, 'sandbox').faults.add({
    region: standby,
    service: 's3',
    path,
    effect: 'missing',
  });
  return `${path} is not there any more`;
}

/** One fault for each thing that is checked; as a superuser whose triggers, and so foreign keys, are off. */
async function damageRows(drill: Drill): Promise<string> {
  const statements = [
    'delete from shop.customers where id = 2',
    'delete from shop.events',
    'update shop.orders set total = total + 1 where id = 1',
    'delete from shop.order_items where order_id = 2',
    `delete from shop.orders where number = ${firstLiveNumber}`,
    'update pgbench_tellers set tbalance = tbalance + 1 where tid = 1',
    'update holdfast.canary set seq = seq + 1000 where seq = (select max(seq) from holdfast.canary)',
  ];
  await sql(
    made(drill.state.restored, 'restored server'),
    'postgres',
    ['set session_replication_role = replica', ...statements].join('; '),
  );
  return `${statements.length} changes behind the back of its constraints`;
}

async function askLostRegion(drill: Drill): Promise<string> {
  const plan = made(drill.state.plan, 'plan');
  const { primary } = plan.regions;
  const sandbox = made(drill.state.sandbox, 'sandbox');
  await sandbox.reviveRegion(primary);
  const client = new S3Client(clientSettings(drill, primary));
  await client.send(new HeadBucketCommand({ Bucket: deploymentNames(plan).vaultBucket(primary) }));
  client.destroy();
  await sandbox.killRegion(primary);
  return `${primary} answered one call`;
}
