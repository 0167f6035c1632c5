import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import * as z from 'zod';
import { type CustomResourceEvent, type CustomResourceResult, oncePermitted, respond } from './respond.ts';

const propertiesSchema = z.object({ Alias: z.string().startsWith('alias/'), KeyRegion: z.string() });

/** Finds the ARN of a key by its alias in a given Region. */
export async function handler(event: unknown): Promise<void> {
  await respond(event, findKey);
}

async function findKey(event: CustomResourceEvent): Promise<CustomResourceResult> {
  const { Alias: alias, KeyRegion: region } = propertiesSchema.parse(event.ResourceProperties);
  if (event.RequestType === 'Delete') return { physicalId: event.PhysicalResourceId ?? alias };
  const client = new KMSClient({ region, maxAttempts: 6 });
  const { KeyMetadata } = await oncePermitted(() => client.send(new DescribeKeyCommand({ KeyId: alias })));
  const arn = KeyMetadata?.Arn;
  if (arn === undefined) throw new Error(`no key ${alias} in ${region}`);
  return { physicalId: `${region}/${alias}`, data: { Arn: arn } };
}
