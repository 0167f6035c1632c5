import type { Plan, SourcePlan } from '../../core/plan/plan.ts';
import type { ResolvedResource } from './resolve.ts';
import { bucketPolicy, type Principal, roleOf, simulate, type Verdict } from './simulate.ts';
import { examplePlan, testStacks } from './test-app.ts';

export const account = '111122223333';
export const primary = 'us-east-1';
export const standby = 'us-west-2';
export const bucket = `holdfast-acme-${account}-${primary}`;
export const peerBucket = `holdfast-acme-${account}-${standby}`;
export const object = `arn:aws:s3:::${bucket}/v1/shop-db/01JD0000000000000000000000/data/00001-public.orders.zst.enc`;
/** Of the second source, which has a secret of its own: what the tasks of the first one must not reach. */
export const otherObject = object.replace('/v1/shop-db/', '/v1/till-db/');
export const writtenOnce = { 's3:if-none-match': '*', 's3:ObjectCreationOperation': 'true' };
/** As the Encryption SDK asks KMS for the data key of an item. */
export const ofSource = (source: string) => ({ 'kms:EncryptionContext:source': source });

type Context = Readonly<Record<string, string | readonly string[]>>;

/** The example plan with two sources, and calls on it by anybody, as IAM and the resource's own policy decide them together. */
export interface PolicyLab {
  readonly resources: readonly ResolvedResource[];
  role(id: RegExp, region?: string): Principal;
  onVault(who: Principal, action: string, context?: Context, resource?: string): Promise<Verdict>;
  onBucket(who: Principal, action: string, context?: Context): Promise<Verdict>;
  onPeerVault(who: Principal, action: string, resource?: string): Promise<Verdict>;
  onKey(who: Principal, action: string, key?: string, context?: Context): Promise<Verdict>;
  /** On the catalogue's items of one partition; without one, a request that has no leading key. */
  onItems(who: Principal, action: string, partition?: string): Promise<Verdict>;
}

export async function policyLab(change: Partial<Plan['vault']> = {}): Promise<PolicyLab> {
  const plan = await examplePlan('acme');
  const { resources } = testStacks({
    ...plan,
    vault: { ...plan.vault, ...change },
    sources: [...plan.sources, anotherSource(plan)],
  });
  const policy = bucketPolicy(resources, bucket);
  const peerPolicy = bucketPolicy(resources, peerBucket);
  const keyPolicy = resources.find(({ type, region }) => type === 'Custom::HoldfastKey' && region === primary)
    ?.properties['KeyPolicy'];
  const onVault = (who: Principal, action: string, context: Context = {}, resource = object) =>
    simulate(who, { action, resource, context }, policy);
  return {
    resources,
    role: (id, region = primary) => roleOf(resources, { region, id }),
    onVault,
    onBucket: (who, action, context: Context = {}) => onVault(who, action, context, `arn:aws:s3:::${bucket}`),
    onPeerVault: (who, action, resource = `arn:aws:s3:::${peerBucket}`) =>
      simulate(who, { action, resource }, peerPolicy),
    onKey: (who, action, key = 'mrk-vault', context: Context = {}) =>
      simulate(who, { action, resource: `arn:aws:kms:${primary}:${account}:key/${key}`, context }, keyPolicy),
    onItems: (who, action, partition) =>
      simulate(who, {
        action,
        resource: `arn:aws:dynamodb:${primary}:${account}:table/holdfast-acme`,
        context: partition === undefined ? {} : { 'dynamodb:LeadingKeys': [partition] },
      }),
  };
}

function anotherSource(plan: Plan): SourcePlan {
  const connection = { secret: 'till-db/backup', tls: 'verify-full', iam: false } as const;
  return { ...plan.sources[0]!, id: 'till-db', connection };
}
