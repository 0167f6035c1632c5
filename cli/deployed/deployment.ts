import { createDynamoCatalogStore } from '../../core/catalog/catalog-store.dynamodb.ts';
import type { CatalogStore } from '../../core/catalog/catalog-store.ts';
import { HoldfastError } from '../../core/errors.ts';
import { loadPlan } from '../../core/plan/load-plan.ts';
import { type DeploymentNames, deploymentNames } from '../../core/plan/names.ts';
import type { Plan, SourcePlan } from '../../core/plan/plan.ts';
import type { CommonOptions } from '../run-command.ts';

export interface DeploymentOptions extends CommonOptions {
  readonly plan: string;
  readonly region?: string;
}

/** What `cdk deploy` built, as seen from one Region; everything is found through the plan alone. */
export interface Deployment {
  readonly plan: Plan;
  readonly planFile: string;
  readonly region: string;
  readonly peerRegion: string;
  readonly names: DeploymentNames;
}

/**
 * Retries of the SDK, and time to connect and to answer: a person is waiting, and the other Region may answer at once. Without
 * the last one the SDK only logs that a request takes too long.
 */
export const clientSettings = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3000, requestTimeout: 20_000, throwOnRequestTimeout: true },
} as const;

/** @throws PLAN_INVALID; USAGE for a Region that is none of the plan's */
export async function openDeployment(options: DeploymentOptions): Promise<Deployment> {
  const plan = await loadPlan(options.plan);
  const { primary, standby } = plan.regions;
  const region = options.region ?? primary;
  if (region !== primary && region !== standby) {
    throw new HoldfastError('USAGE', `--region is ${region}; the plan has ${primary} and ${standby}`);
  }
  const peerRegion = region === primary ? standby : primary;
  return { plan, planFile: options.plan, region, peerRegion, names: deploymentNames(plan) };
}

/** The catalogue as this Region's replica has it. */
export async function openCatalog({
  region,
  names,
}: Pick<Deployment, 'region' | 'names'>): Promise<CatalogStore> {
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
  return createDynamoCatalogStore({
    client: new DynamoDBClient({ region, ...clientSettings }),
    table: names.table,
  });
}

/** @throws SOURCE_NOT_FOUND */
export function sourceOf(plan: Plan, id: string): SourcePlan {
  const source = plan.sources.find((candidate) => candidate.id === id);
  if (source !== undefined) return source;
  const known = plan.sources.map((candidate) => candidate.id).join(', ');
  throw new HoldfastError('SOURCE_NOT_FOUND', `the plan has no source ${id}; it has ${known}`);
}

/** The id of the source when the plan has but one. @throws USAGE */
export function onlySource({ sources }: Plan): string {
  const [first, second] = sources;
  if (first !== undefined && second === undefined) return first.id;
  const known = sources.map(({ id }) => id).join(', ');
  throw new HoldfastError('USAGE', `--source is missing; the plan has ${known}`);
}

const connectionCodes = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
];
const connectionNames = [
  'TimeoutError',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  'InternalFailure',
];
/** Nobody answered, so nothing is known about what was asked. */
export function isSilence(error: unknown): boolean {
  if (error instanceof HoldfastError)
    return error.code === 'CATALOG_UNAVAILABLE' || error.code === 'VAULT_UNAVAILABLE';
  const { name = '', code = '' } = (error ?? {}) as { readonly name?: string; readonly code?: string };
  return connectionCodes.includes(code) || connectionNames.includes(name);
}
