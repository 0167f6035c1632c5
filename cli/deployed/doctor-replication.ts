import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { GetBucketReplicationCommand, type ReplicationRule, S3Client } from '@aws-sdk/client-s3';
import { clientSettings, type Deployment } from './deployment.ts';
import { deployFix, Fault, type Look, revertFix } from './doctor-look.ts';

/**
 * Whether a vault copies to the other Region's as the plan says. Only this Region is asked: what stands in its bucket's
 * configuration. The standby's is set by a custom resource that every deployment runs again, the primary's by CloudFormation.
 */
export function replicationOfVault(deployment: Deployment, region: string): Look {
  const { names, plan } = deployment;
  const { primary, standby } = plan.regions;
  const peer = region === primary ? standby : primary;
  const Bucket = names.vaultBucket(region);
  return {
    what: `replication of ${Bucket}`,
    fix: region === primary ? revertFix(deployment) : deployFix(deployment),
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
      const underKms = plan.vault.breakGlassPublicKey === undefined;
      const problem = problemOfRule(rule, {
        bucket: names.vaultBucket(peer),
        timeControl: plan.vault.replicationTimeControl,
        underKms,
      });
      if (problem !== undefined) throw new Fault(problem);
      if (underKms) await requireKey(deployment, { rule, region, peer });
      return `everything to ${peer}`;
    },
  };
}

/**
 * What is wrong with a rule, or undefined. `underKms`: the vault's objects stand under its key of KMS, and so do the copies; with a
 * break-glass key neither do, so that nobody needs KMS to read one.
 */
export function problemOfRule(
  rule: ReplicationRule,
  wanted: { readonly bucket: string; readonly timeControl: boolean; readonly underKms: boolean },
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
  const copiesKms = rule.SourceSelectionCriteria?.SseKmsEncryptedObjects?.Status === 'Enabled';
  if (wanted.underKms && !copiesKms) return 'leaves out objects encrypted with KMS';
  const copyKey = Destination?.EncryptionConfiguration?.ReplicaKmsKeyID;
  if (!wanted.underKms && copyKey !== undefined)
    return `encrypts copies with ${copyKey}; with a break-glass key no copy may need a key of KMS`;
  if (timed !== wanted.timeControl)
    return `time control is ${timed ? 'on' : 'off'}, the plan says ${wanted.timeControl ? 'on' : 'off'}`;
  return undefined;
}

/** The key of the copies: the vault's own, in the other Region (a multi-Region key has one id everywhere). */
async function requireKey(
  { names, plan }: Deployment,
  copy: { readonly rule: ReplicationRule; readonly region: string; readonly peer: string },
): Promise<void> {
  const { rule, region, peer } = copy;
  const arn = rule.Destination?.EncryptionConfiguration?.ReplicaKmsKeyID ?? 'no key';
  if (!arn.startsWith(`arn:aws:kms:${peer}:${plan.account}:key/`))
    throw new Fault(`encrypts copies with ${arn}, which is no key of ${peer}`);
  const client = new KMSClient({ region, ...clientSettings });
  const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: names.vaultKeyAlias }));
  if (!arn.endsWith(`:key/${KeyMetadata?.KeyId}`))
    throw new Fault(`encrypts copies with ${arn}, not with ${names.vaultKeyAlias}`);
}
