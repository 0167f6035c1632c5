import { HoldfastError } from '../../core/errors.ts';
import { clientSettings, type Deployment, isSilence } from './deployment.ts';
import { shellWord } from './doctor-look.ts';

type Asked = Pick<Deployment, 'region' | 'peerRegion' | 'names' | 'planFile'>;

/** What somebody wanted of a Region, for the moment when it does not answer. */
export interface Question {
  /** What is not known or not done then: `jobs were not listed`. */
  readonly undone: string;
  /** What to type, or to do, as long as the other Region answers. */
  readonly instead: string;
}

/** A command as it has to be typed for a Region of this plan. */
export function commandIn({ planFile }: Pick<Deployment, 'planFile'>, region: string, words: string): string {
  const plan = planFile === 'holdfast.yaml' ? '' : ` --plan ${shellWord(planFile)}`;
  return `holdfast ${words}${plan} --region ${region}`;
}

/**
 * Runs work against a Region.
 * @throws CATALOG_UNAVAILABLE, VAULT_UNAVAILABLE, in one line and with what to type instead, when the Region does not answer;
 * DEPLOYMENT_NOT_FOUND
 */
export async function inRegion<T>(asked: Asked, question: Question, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isSilence(error)) throw await unanswered(error, asked, question);
    throw explained(error, asked);
  }
}

async function unanswered(error: unknown, asked: Asked, { undone, instead }: Question): Promise<Error> {
  const { region, peerRegion } = asked;
  const code = error instanceof HoldfastError ? error.code : 'CATALOG_UNAVAILABLE';
  const hint = (await isPeerSilent(asked, 'catalogue'))
    ? `${peerRegion} does not answer either: has this machine a way to AWS?`
    : `${peerRegion} answers: ${instead}`;
  return new HoldfastError(code, `${region} does not answer (${reasonOf(error)}): ${undone}`, {
    cause: error,
    hint,
  });
}

function reasonOf(error: unknown): string {
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  if (!(error instanceof HoldfastError)) return code ?? name ?? 'no reason';
  const place = error.code === 'CATALOG_UNAVAILABLE' ? 'catalogue' : 'vault';
  return error.cause === undefined ? place : `${place}: ${reasonOf(error.cause)}`;
}

const missingNames = [
  'StateMachineDoesNotExist',
  'ResourceNotFoundException',
  'NotFoundException',
  'NoSuchBucket',
];

function explained(error: unknown, { region, names, planFile }: Asked): unknown {
  if (error instanceof HoldfastError) return error;
  const { name } = (error ?? {}) as { readonly name?: string };
  if (!missingNames.includes(name ?? '')) return error;
  const hint = `holdfast doctor --plan ${shellWord(planFile)} --region ${region} says whose credentials these are and how to deploy`;
  return new HoldfastError('DEPLOYMENT_NOT_FOUND', `${names.prefix} is not deployed in ${region}`, {
    cause: error,
    hint,
  });
}

/** How long the other Region may take to be heard, milliseconds: all tries together. */
const waitMs = 5000;

/**
 * Whether the other Region leaves a question about its replica of the catalogue, or about its vault, unanswered. Any answer, a
 * refusal included, is one. Never rejects, so that it can be asked while this Region is at work.
 */
export async function isPeerSilent(
  { peerRegion: region, names }: Asked,
  place: 'catalogue' | 'vault',
): Promise<boolean> {
  const abortSignal = AbortSignal.timeout(waitMs);
  const settings = { region, ...clientSettings, maxAttempts: 2 };
  try {
    if (place === 'catalogue') {
      const { DescribeTableCommand, DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
      const order = new DescribeTableCommand({ TableName: names.table });
      await new DynamoDBClient(settings).send(order, { abortSignal });
    } else {
      const { HeadBucketCommand, S3Client } = await import('@aws-sdk/client-s3');
      const order = new HeadBucketCommand({ Bucket: names.vaultBucket(region) });
      await new S3Client(settings).send(order, { abortSignal });
    }
    return false;
  } catch (error) {
    return abortSignal.aborted || isSilence(error);
  }
}
