import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { thawOf } from './archive.ts';
import type { ObjectFacts } from './object-store.ts';

/** What S3 answers to HEAD, in the port's words. */
export function factsOf(key: string, head: HeadObjectCommandOutput): ObjectFacts {
  const isWhole = head.ChecksumType !== 'COMPOSITE' && head.ChecksumCRC64NVME?.includes('-') === false;
  return {
    key,
    storedBytes: head.ContentLength ?? 0,
    lastModified: head.LastModified ?? new Date(0),
    ...(isVersionId(head.VersionId) ? { versionId: head.VersionId } : {}),
    ...(isWhole ? { crc64nvme: head.ChecksumCRC64NVME } : {}),
    ...lockOf(head),
    ...(head.StorageClass === undefined ? {} : { storageClass: head.StorageClass }),
    ...thawOf(head.StorageClass, head.Restore),
    ...replicationOf(head.ReplicationStatus),
  };
}

function lockOf(head: HeadObjectCommandOutput): Pick<ObjectFacts, 'lockedUntil' | 'lockMode'> {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: lockedUntil } = head;
  if (lockedUntil === undefined) return {};
  return { lockedUntil, lockMode: mode === 'COMPLIANCE' ? 'compliance' : 'governance' };
}

function replicationOf(status: string | undefined): Pick<ObjectFacts, 'replicationStatus'> {
  // S3 says COMPLETE in one place and COMPLETED in another.
  const word = status === 'COMPLETE' ? 'COMPLETED' : status;
  return word === 'PENDING' || word === 'COMPLETED' || word === 'FAILED' || word === 'REPLICA'
    ? { replicationStatus: word }
    : {};
}

/** `null` is what a bucket without versioning calls its only one. */
export function isVersionId(versionId: string | undefined): versionId is string {
  return versionId !== undefined && versionId !== 'null' && versionId !== '';
}
