import {
  GetBucketReplicationCommand,
  PutBucketReplicationCommand,
  type ReplicationRule,
  S3Client,
} from '@aws-sdk/client-s3';
import * as z from 'zod';
import { type CustomResourceEvent, type CustomResourceResult, oncePermitted, respond } from './respond.ts';

const propertiesSchema = z.object({
  Bucket: z.string(),
  RoleArn: z.string(),
  DestinationArn: z.string(),
  ReplicaKeyArn: z.string(),
  TimeControl: z.enum(['true', 'false']),
});
type Properties = z.output<typeof propertiesSchema>;

/** Sets a bucket's replication, as the bucket's own stack would if the destination had existed then. */
export async function handler(event: unknown): Promise<void> {
  await respond(event, setReplication);
}

async function setReplication(event: CustomResourceEvent): Promise<CustomResourceResult> {
  const properties = propertiesSchema.parse(event.ResourceProperties);
  const physicalId = `${properties.Bucket}/replication`;
  // The vault outlives the stack, and a vault that stops copying is a false promise: nothing is undone.
  if (event.RequestType === 'Delete') return { physicalId };
  const client = new S3Client({ maxAttempts: 8 });
  const rule = ruleOf(properties);
  const order = new PutBucketReplicationCommand({
    Bucket: properties.Bucket,
    ReplicationConfiguration: { Role: properties.RoleArn, Rules: [rule] },
  });
  await oncePermitted(() => client.send(order));
  const query = new GetBucketReplicationCommand({ Bucket: properties.Bucket });
  const read = await oncePermitted(() => client.send(query));
  const destination = read.ReplicationConfiguration?.Rules?.[0]?.Destination?.Bucket;
  if (destination !== properties.DestinationArn) {
    throw new Error(`${properties.Bucket} copies to ${destination ?? 'nowhere'} after it was told otherwise`);
  }
  return { physicalId };
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
      SseKmsEncryptedObjects: { Status: 'Enabled' },
      ReplicaModifications: { Status: 'Disabled' },
    },
    Destination: {
      Bucket: properties.DestinationArn,
      EncryptionConfiguration: { ReplicaKmsKeyID: properties.ReplicaKeyArn },
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
