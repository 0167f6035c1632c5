import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  EnableKeyRotationCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  type KeyMetadata,
  KMSClient,
  PutKeyPolicyCommand,
  ReplicateKeyCommand,
} from '@aws-sdk/client-kms';
import canonicalize from 'canonicalize';
import * as z from 'zod';
import { type CustomResourceEvent, type CustomResourceResult, oncePermitted, respond } from './respond.ts';

const propertiesSchema = z.object({
  Alias: z.string().startsWith('alias/'),
  Description: z.string(),
  KeySpec: z.enum(['SYMMETRIC_DEFAULT', 'ECC_NIST_P256']),
  KeyPolicy: z.record(z.string(), z.unknown()),
  PrimaryRegion: z.string(),
  RotationDays: z.coerce.number().int().optional(),
});
type Properties = z.output<typeof propertiesSchema>;

/**
 * Finds the multi-Region key behind an alias in the function's Region, or makes it: the primary where `PrimaryRegion` is
 * this Region, else its replica. KMS allows one replica of a key in a Region, and a key has no name by which CloudFormation
 * could take it over; so a repeated deployment, and one after `cdk destroy`, must look first.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
 */
export async function handler(event: unknown): Promise<void> {
  await respond(event, keepKey);
}

async function keepKey(event: CustomResourceEvent): Promise<CustomResourceResult> {
  // A key that is gone makes every recovery point worthless, so no deployment ends one.
  if (event.RequestType === 'Delete') return { physicalId: event.PhysicalResourceId ?? 'none' };
  const properties = propertiesSchema.parse(event.ResourceProperties);
  // oxlint-disable-next-line node/no-process-env -- Lambda's own setting, read where the function starts
  const region = process.env['AWS_REGION'] ?? '';
  const here = new KMSClient({ region, maxAttempts: 8 });
  const behindAlias = await describe(here, properties.Alias);
  const key =
    behindAlias ??
    (region === properties.PrimaryRegion
      ? await makePrimary(here, properties)
      : await findOrMakeReplica(here, region, properties));
  await checkUsable(here, key, properties);
  if (behindAlias === undefined) {
    await oncePermitted(() =>
      here.send(new CreateAliasCommand({ AliasName: properties.Alias, TargetKeyId: key.KeyId })),
    );
  }
  await setPolicy(here, key, properties);
  if (region === properties.PrimaryRegion) await setRotation(here, key, properties);
  const arn = key.Arn ?? '';
  return { physicalId: arn, data: { Arn: arn } };
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

async function makePrimary(client: KMSClient, properties: Properties): Promise<KeyMetadata> {
  const { KeyMetadata } = await oncePermitted(() =>
    client.send(
      new CreateKeyCommand({
        MultiRegion: true,
        KeySpec: properties.KeySpec,
        KeyUsage: properties.KeySpec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY',
        Description: properties.Description,
        Policy: JSON.stringify(properties.KeyPolicy),
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
