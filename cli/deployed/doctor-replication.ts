import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { GetBucketReplicationCommand, type ReplicationRule, S3Client } from '@aws-sdk/client-s3';
import { clientSettings, type Deployment } from './deployment.ts';
import { Fault, type Look, remakeFix, revertFix } from './doctor-look.ts';

/**
 * Whether a vault copies to the other Region's as the plan says. Only this Region is asked: what stands in its bucket's
 * configuration. The standby's is set by a custom resource, which no deployment does again.
 */
export function replicationOfVault(deployment: Deployment, region: string): Look {
  const { names, plan } = deployment;
  const { primary, standby } = plan.regions;
  const peer = region === primary ? standby : primary;
  const Bucket = names.vaultBucket(region);
  return {
    what: `replication of ${Bucket}`,
    fix: region === primary ? revertFix(deployment) : remakeFix(deployment, names.stack('Replication')),
    look: async () => {
      const client = new S3Client({ region, ...clientSettings });
      const { ReplicationConfiguration: found } = await client
        .send(new GetBucketReplicationCommand({ Bucket }))
        .catch((error: unknown) => {
          if ((error as Error).name === 'ReplicationConfigurationNotFoundError')
            throw new Fault('nothing is copied');
          throw error;
        });
      const [rule, another] = found?.Rules ?? [];
      if (rule === undefined) throw new Fault('nothing is copied');
      if (another !== undefined) throw new Fault(`has ${found?.Rules?.length} rules, the plan makes one`);
      const role = `arn:aws:iam::${plan.account}:role/${names.prefix}-replication-${region}`;
      if (found?.Role !== role) throw new Fault(`copies as ${found?.Role}, not as ${role}`);
      const problem = problemOf(rule, {
        bucket: names.vaultBucket(peer),
        timeControl: plan.vault.replicationTimeControl,
      });
      if (problem !== undefined) throw new Fault(problem);
      await requireKey(deployment, { rule, region, peer });
      return `everything to ${peer}`;
    },
  };
}

function problemOf(
  rule: ReplicationRule,
  wanted: { readonly bucket: string; readonly timeControl: boolean },
): string | undefined {
  const { Destination } = rule;
  const timed = Destination?.ReplicationTime?.Status === 'Enabled';
  if (rule.Status !== 'Enabled') return `its rule is ${rule.Status}`;
  if (Destination?.Bucket !== `arn:aws:s3:::${wanted.bucket}`)
    return `copies to ${Destination?.Bucket}, not to ${wanted.bucket}`;
  const part = rule.Filter?.Prefix ?? rule.Prefix ?? '';
  if (part !== '' || rule.Filter?.Tag !== undefined || rule.Filter?.And !== undefined)
    return 'copies a part of the objects only';
  if (rule.DeleteMarkerReplication?.Status === 'Enabled') return 'copies delete markers too';
  if (rule.SourceSelectionCriteria?.SseKmsEncryptedObjects?.Status !== 'Enabled')
    return 'leaves out objects encrypted with KMS';
  if (timed !== wanted.timeControl)
    return `time control is ${timed ? 'on' : 'off'}, the plan says ${wanted.timeControl ? 'on' : 'off'}`;
  return undefined;
}

/** The key of the copies: of the other Region, and the vault's own where there is no break-glass key (a multi-Region key has one id everywhere). */
async function requireKey(
  { names, plan }: Deployment,
  copy: { readonly rule: ReplicationRule; readonly region: string; readonly peer: string },
): Promise<void> {
  const { rule, region, peer } = copy;
  const arn = rule.Destination?.EncryptionConfiguration?.ReplicaKmsKeyID ?? 'no key';
  if (!arn.startsWith(`arn:aws:kms:${peer}:${plan.account}:key/`))
    throw new Fault(`encrypts copies with ${arn}, which is no key of ${peer}`);
  if (plan.vault.breakGlassPublicKey !== undefined) return;
  const client = new KMSClient({ region, ...clientSettings });
  const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: names.vaultKeyAlias }));
  if (!arn.endsWith(`:key/${KeyMetadata?.KeyId}`))
    throw new Fault(`encrypts copies with ${arn}, not with ${names.vaultKeyAlias}`);
}
