import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { isHoldfastError } from '../../core/errors.ts';
import type { FaultRule } from '../../sandbox/router/faults.ts';
import { type Content, contentOf, restoredContent } from './content.ts';
import { databaseOf, type Deployment, until } from './deployment.ts';

/** Where a source's objects are in the vault. */
export const folderOf = (source: string) => `v1/${source}/`;

/** Lets something happen to calls to the vault, until it is removed. */
export function disturb({ sandbox }: Deployment, rule: FaultRule) {
  const id = sandbox.faults.add({ service: 's3', ...rule });
  return { hits: () => sandbox.faults.hits(id), remove: () => sandbox.faults.remove(id) };
}

/** Slows down what a source stores, or other calls for it. */
export function slowDown(deployment: Deployment, source: string, rule: Partial<FaultRule>) {
  return disturb(deployment, { operation: 'PutObject', path: folderOf(source), effect: 'delay', ...rule });
}

/** Stores a few objects, slowly, and says when the first of them is on its way. */
export async function underWay(deployment: Deployment, source: string): Promise<void> {
  const slow = slowDown(deployment, source, { delayMilliseconds: 500, first: 3 });
  await until(() => slow.hits() > 0);
}

/** The content of a source as it is now. */
export const contentNow = (deployment: Deployment, source: string) =>
  contentOf(deployment.server, databaseOf(source));

/**
 * What vault and catalogue say of a source is the same, and all of it comes back: each point, newest first, is restored
 * from the standby's copy and has the rows that the source had.
 */
export async function expectPoints(
  deployment: Deployment,
  source: string,
  points: readonly (readonly [id: string | undefined, content: Content])[],
): Promise<void> {
  const { primary, standby } = deployment;
  const vault = await deployment.vault(primary);
  const listed = (await vault.list(source)).map(({ manifest, state }) => [manifest.id, state]);
  expect(listed).toEqual(points.map(([id]) => [id, 'available']));
  const recorded = await deployment.catalog(primary).listRecoveryPoints({ source });
  expect(recorded.map(({ id, state }) => [id, state])).toEqual(points.map(([id]) => [id, 'protected']));
  for (const [id = '', content] of points) {
    expect(await vault.verify(source, id)).toMatchObject({ ok: true, problems: [] });
    expect(content['shop.customers']).toMatch(/^[1-9]/);
    expect(await restoredContent(deployment, { source, id, region: standby })).toEqual(content);
  }
}

/** No point of a source is to be seen in vault or catalogue, and nobody holds it. */
export async function expectNoPoint(deployment: Deployment, source: string): Promise<void> {
  const { catalog, primary, vault } = deployment;
  expect(await catalog(primary).listRecoveryPoints({ source })).toEqual([]);
  const listed = (await vault(primary)).list(source).catch((error: unknown) => {
    if (isHoldfastError(error, 'SOURCE_NOT_FOUND')) return [];
    throw error;
  });
  expect(await listed).toEqual([]);
  expect(await catalog(primary).leaseOf(source)).toBeUndefined();
}

/** Ids below which objects of a source were written; each attempt that wrote something has one. */
export async function attemptsOf(deployment: Deployment, source: string): Promise<string[]> {
  const { primary, names } = deployment;
  const Prefix = folderOf(source);
  const command = new ListObjectVersionsCommand({ Bucket: names.vaultBucket(primary), Prefix });
  const { Versions = [] } = await deployment.s3(primary).send(command);
  return [...new Set(Versions.map(({ Key }) => Key?.split('/')[2] ?? ''))];
}

/** How a deployed alarm stands: of a source, or of the whole plan. */
export async function alarmState(
  deployment: Deployment,
  kind: string,
  source?: string,
): Promise<string | undefined> {
  const { names, primary, settings } = deployment;
  const name = [names.prefix, kind, ...(source === undefined ? [] : [source])].join('-');
  const command = new DescribeAlarmsCommand({ AlarmNames: [name] });
  const { MetricAlarms } = await new CloudWatchClient(settings(primary)).send(command);
  return MetricAlarms?.[0]?.StateValue;
}

/** What `holdfast status` says of a source. */
export async function isGreen({ cli }: Deployment, source: string): Promise<boolean> {
  const { sources } = (await cli('status --json')).json() as { sources: { source: string; ok: boolean }[] };
  return sources.find((one) => one.source === source)?.ok ?? false;
}
