import {
  GetBucketReplicationCommand,
  PutBucketReplicationCommand,
  type ReplicationConfiguration,
  type ReplicationRule,
  S3Client,
} from '@aws-sdk/client-s3';
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
  Bucket: z.string(),
  RoleArn: z.string(),
  DestinationArn: z.string(),
  /** Absent: copies are under S3's own keys, as what they are copied from. */
  ReplicaKeyArn: z.string().optional(),
  TimeControl: z.enum(['true', 'false']),
});
type Properties = z.output<typeof propertiesSchema>;

/** Sets a bucket's replication, as the bucket's own stack would if the destination had existed then. */
export async function handler(event: unknown, context?: LambdaContext): Promise<void> {
  await respond(event, setReplication, context);
}

async function setReplication(event: CustomResourceEvent): Promise<CustomResourceResult> {
  const properties = propertiesSchema.parse(event.ResourceProperties);
  const physicalId = `${properties.Bucket}/replication`;
  // The vault outlives the stack, and a vault that stops copying is a false promise: nothing is undone.
  if (event.RequestType === 'Delete') return { physicalId };
  const client = new S3Client({ maxAttempts: 8 });
  const wanted = { Role: properties.RoleArn, Rules: [ruleOf(properties)] };
  const order = new PutBucketReplicationCommand({
    Bucket: properties.Bucket,
    ReplicationConfiguration: wanted,
  });
  // Only a change is written: each write rings an alarm.
  const before = await read(client, properties.Bucket);
  if (canonicalize(before) !== canonicalize(wanted)) await oncePermitted(() => client.send(order));
  const [rule] = (await read(client, properties.Bucket))?.Rules ?? [];
  if (rule?.Status !== 'Enabled' || rule.Destination?.Bucket !== properties.DestinationArn)
    throw new Error(
      `${properties.Bucket} does not copy to ${properties.DestinationArn} after it was told to`,
    );
  return { physicalId };
}

async function read(client: S3Client, bucket: string): Promise<ReplicationConfiguration | undefined> {
  const query = new GetBucketReplicationCommand({ Bucket: bucket });
  try {
    return (await oncePermitted(() => client.send(query))).ReplicationConfiguration;
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplicationConfigurationNotFoundError') return undefined;
    throw error;
  }
}

function ruleOf(properties: Properties): ReplicationRule {
  const fifteenMinutes = { Minutes: 15 };
  return {
    ID: 'copy-everything',
    Status: 'Enabled',
    Priority: 1,
    Filter: { Prefix: '' },
    DeleteMarkerReplication: { Status: 'Disabled' },
    SourceSelectionCriteria: {
      ...(properties.ReplicaKeyArn !== undefined && {
        SseKmsEncryptedObjects: { Status: 'Enabled' as const },
      }),
      ReplicaModifications: { Status: 'Disabled' },
    },
    Destination: {
      Bucket: properties.DestinationArn,
      ...(properties.ReplicaKeyArn !== undefined && {
        EncryptionConfiguration: { ReplicaKmsKeyID: properties.ReplicaKeyArn },
      }),
      // S3 takes a threshold only together with time control: "Metrics cannot contain an event threshold when ReplicationTime
      // is not specified" (crossplane-contrib/provider-aws#1117).
      ...(properties.TimeControl === 'true'
        ? {
            Metrics: { Status: 'Enabled' as const, EventThreshold: fifteenMinutes },
            ReplicationTime: { Status: 'Enabled' as const, Time: fifteenMinutes },
          }
        : { Metrics: { Status: 'Enabled' as const } }),
    },
  };
}
