import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  EnableKeyRotationCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  type KeyMetadata,
  KMSClient,
  ListResourceTagsCommand,
  paginateListKeys,
  PutKeyPolicyCommand,
  ReplicateKeyCommand,
} from '@aws-sdk/client-kms';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import canonicalize from 'canonicalize';
import * as z from 'zod';
import {
  type CustomResourceEvent,
  type CustomResourceResult,
  type LambdaContext,
  oncePermitted,
  respond,
} from './respond.ts';

const propertiesSchema = z.object({
  Alias: z.string().startsWith('alias/'),
  Description: z.string(),
  KeySpec: z.enum(['SYMMETRIC_DEFAULT', 'ECC_NIST_P256']),
  KeyPolicy: z.record(z.string(), z.unknown()),
  PrimaryRegion: z.string(),
  /** The vault of the primary's Region. While it is there no new primary is made. */
  VaultBucket: z.string(),
  RotationDays: z.coerce.number().int().optional(),
});
type Properties = z.output<typeof propertiesSchema>;

/** By this tag a key is found again that was made while its alias was not. */
const aliasTag = 'holdfast-alias';

/**
 * Finds the multi-Region key behind an alias in the function's Region, or makes it: the primary where `PrimaryRegion` is
 * this Region, else its replica. KMS allows one replica of a key in a Region, and a key has no name by which CloudFormation
 * could take it over; so a repeated deployment, and one after `cdk destroy`, must look first.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
 */
export async function handler(event: unknown, context?: LambdaContext): Promise<void> {
  await respond(event, keepKey, context);
}

async function keepKey(event: CustomResourceEvent): Promise<CustomResourceResult> {
  // A key that is gone makes every recovery point worthless, so no deployment ends one.
  if (event.RequestType === 'Delete') return { physicalId: event.PhysicalResourceId ?? 'none' };
  const properties = propertiesSchema.parse(event.ResourceProperties);
  // oxlint-disable-next-line node/no-process-env -- Lambda's own setting, read where the function starts
  const region = process.env['AWS_REGION'] ?? '';
  const here = new KMSClient({ region, maxAttempts: 8 });
  const behindAlias = await describe(here, properties.Alias);
  const known = await knownKey(here, event);
  if (behindAlias !== undefined && known !== undefined && behindAlias.KeyId !== known.KeyId)
    throw new Error(
      `alias ${properties.Alias} leads to ${behindAlias.Arn} and this stack keeps ${known.Arn}; put it back by aws kms update-alias --region ${region} --alias-name ${properties.Alias} --target-key-id ${known.KeyId}, and find out who moved it`,
    );
  const key =
    behindAlias ??
    known ??
    (region === properties.PrimaryRegion
      ? await findOrMakePrimary(here, region, properties)
      : await findOrMakeReplica(here, region, properties));
  await checkUsable(here, key, properties);
  if (behindAlias === undefined) await nameKey(here, key, properties.Alias);
  await setPolicy(here, key, properties);
  if (region === properties.PrimaryRegion) await setRotation(here, key, properties);
  const arn = key.Arn ?? '';
  return { physicalId: arn, data: { Arn: arn } };
}

/** The key of an earlier deployment, whatever became of its alias. A new one in its place would open nothing that is stored. */
async function knownKey(
  client: KMSClient,
  { RequestType, PhysicalResourceId: arn }: CustomResourceEvent,
): Promise<KeyMetadata | undefined> {
  if (RequestType !== 'Update' || arn?.startsWith('arn:') !== true) return undefined;
  const key = await describe(client, arn);
  if (key === undefined) throw new Error(`key ${arn} of this stack is gone; nothing is made in its place`);
  return key;
}

/** Two calls for one deployment may come here at once; the alias that the other made is as good. */
async function nameKey(client: KMSClient, key: KeyMetadata, alias: string): Promise<void> {
  const order = new CreateAliasCommand({ AliasName: alias, TargetKeyId: key.KeyId });
  try {
    await oncePermitted(() => client.send(order));
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AlreadyExistsException')) throw error;
    const behind = await describe(client, alias);
    if (behind?.KeyId !== key.KeyId)
      throw new Error(
        `alias ${alias} was given to ${behind?.Arn} meanwhile, not to ${key.Arn}; deploy again`,
      );
  }
}

/** `undefined` when there is none of that name. */
async function describe(client: KMSClient, keyId: string): Promise<KeyMetadata | undefined> {
  try {
    const { KeyMetadata } = await oncePermitted(() => client.send(new DescribeKeyCommand({ KeyId: keyId })));
    return KeyMetadata;
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundException') return undefined;
    throw error;
  }
}

/** @throws when there is no key and a vault whose recovery points are under one */
async function findOrMakePrimary(
  client: KMSClient,
  region: string,
  properties: Properties,
): Promise<KeyMetadata> {
  const tagged = await taggedKeys(client, properties.Alias);
  if (tagged.length > 1)
    throw new Error(
      `${tagged.length} keys have the tag ${aliasTag}=${properties.Alias} (${tagged.join(', ')}) and none has the alias; give it to the one of the vault by ${createAlias(region, properties)}, then deploy again`,
    );
  const [only] = tagged;
  const found = only === undefined ? undefined : await describe(client, only);
  if (found !== undefined) return found;
  if (await vaultExists(region, properties.VaultBucket))
    throw new Error(
      `vault ${properties.VaultBucket} is there and its key ${properties.Alias} is not: a new key would open nothing that is stored. Find the key (aws kms list-keys --region ${region}, then describe-key), cancel its deletion if need be, give it the alias by ${createAlias(region, properties)}, then deploy again`,
    );
  return makePrimary(client, properties);
}

/** Ids of the Region's keys that were made for an alias. Keys that may not be looked at are none of ours. */
async function taggedKeys(client: KMSClient, alias: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { Keys = [] } of paginateListKeys({ client }, {})) {
    for (const { KeyId = '' } of Keys) {
      if (await hasTag(client, KeyId, alias)) found.push(KeyId);
    }
  }
  return found;
}

async function hasTag(client: KMSClient, KeyId: string, alias: string): Promise<boolean> {
  try {
    const { Tags = [] } = await client.send(new ListResourceTagsCommand({ KeyId }));
    return Tags.some(({ TagKey, TagValue }) => TagKey === aliasTag && TagValue === alias);
  } catch (error) {
    if (error instanceof Error && error.name === 'AccessDeniedException') return false;
    throw error;
  }
}

/** A bucket that may not be looked at exists too. */
async function vaultExists(region: string, Bucket: string): Promise<boolean> {
  try {
    await new S3Client({ region, maxAttempts: 8 }).send(new HeadBucketCommand({ Bucket }));
    return true;
  } catch (error) {
    const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } }).$metadata
      ?.httpStatusCode;
    if (status === 404) return false;
    if (status === 403) return true;
    throw error;
  }
}

function createAlias(region: string, { Alias }: Properties): string {
  return `aws kms create-alias --region ${region} --alias-name ${Alias} --target-key-id KEY`;
}

async function makePrimary(client: KMSClient, properties: Properties): Promise<KeyMetadata> {
  const { KeyMetadata } = await oncePermitted(() =>
    client.send(
      new CreateKeyCommand({
        MultiRegion: true,
        KeySpec: properties.KeySpec,
        KeyUsage: properties.KeySpec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY',
        Description: properties.Description,
        Policy: JSON.stringify(properties.KeyPolicy),
        Tags: [{ TagKey: aliasTag, TagValue: properties.Alias }],
      }),
    ),
  );
  if (KeyMetadata === undefined) throw new Error('KMS made a key and did not say which');
  return KeyMetadata;
}

async function findOrMakeReplica(
  here: KMSClient,
  region: string,
  properties: Properties,
): Promise<KeyMetadata> {
  const there = new KMSClient({ region: properties.PrimaryRegion, maxAttempts: 8 });
  const primary = await describe(there, properties.Alias);
  if (primary === undefined) throw new Error(`no key ${properties.Alias} in ${properties.PrimaryRegion}`);
  const replicas = primary.MultiRegionConfiguration?.ReplicaKeys ?? [];
  const known = replicas.some((replica) => replica.Region === region);
  const found = known ? await describe(here, primary.KeyId ?? '') : undefined;
  if (found !== undefined) return found;
  const { ReplicaKeyMetadata } = await oncePermitted(() =>
    there.send(
      new ReplicateKeyCommand({
        KeyId: primary.Arn,
        ReplicaRegion: region,
        Description: properties.Description,
        Policy: JSON.stringify(properties.KeyPolicy),
      }),
    ),
  );
  if (ReplicaKeyMetadata === undefined) throw new Error('KMS made a replica and did not say which');
  return ReplicaKeyMetadata;
}

/** A replica is `Creating` for a moment. What somebody disabled or condemned is for a person to look at, not to be taken over. */
async function checkUsable(client: KMSClient, key: KeyMetadata, properties: Properties): Promise<void> {
  let state = key.KeyState;
  for (let tries = 0; state === 'Creating' && tries < 20; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    state = (await describe(client, key.KeyId ?? ''))?.KeyState;
  }
  const wrong = [
    ...(state === 'Enabled' ? [] : [`is ${state}; it must be Enabled`]),
    ...(key.MultiRegion === true ? [] : ['is no multi-Region key']),
    ...(key.KeySpec === properties.KeySpec ? [] : [`is a ${key.KeySpec}, not a ${properties.KeySpec}`]),
  ];
  if (wrong.length > 0) throw new Error(`key ${key.Arn} behind ${properties.Alias} ${wrong.join(' and ')}`);
}

async function setPolicy(client: KMSClient, key: KeyMetadata, properties: Properties): Promise<void> {
  const { Policy } = await oncePermitted(() => client.send(new GetKeyPolicyCommand({ KeyId: key.KeyId })));
  const wanted = JSON.stringify(properties.KeyPolicy);
  // Only a change is written: each write rings an alarm.
  if (Policy !== undefined && canonicalize(JSON.parse(Policy)) === canonicalize(JSON.parse(wanted))) return;
  await oncePermitted(() => client.send(new PutKeyPolicyCommand({ KeyId: key.KeyId, Policy: wanted })));
}

/** Set on the primary; replicas share it. */
async function setRotation(client: KMSClient, key: KeyMetadata, properties: Properties): Promise<void> {
  if (properties.RotationDays === undefined) return;
  const status = await oncePermitted(() =>
    client.send(new GetKeyRotationStatusCommand({ KeyId: key.KeyId })),
  );
  if (status.KeyRotationEnabled === true && status.RotationPeriodInDays === properties.RotationDays) return;
  await oncePermitted(() =>
    client.send(
      new EnableKeyRotationCommand({ KeyId: key.KeyId, RotationPeriodInDays: properties.RotationDays }),
    ),
  );
}
