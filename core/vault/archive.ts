import { HoldfastError } from '../errors.ts';
import { plural } from '../plural.ts';
import { thawPrices } from './archive-prices.ts';
import type { ObjectFacts } from './object-store.ts';

/**
 * The storage classes that cannot be read at once, dearer to wait for last. Holdfast's lifecycle uses Deep Archive, and
 * GLACIER may come from rules of somebody else; Intelligent-Tiering, whose archive tiers thaw in another way, is never used.
 */
const archiveClasses = ['GLACIER', 'DEEP_ARCHIVE'] as const;
export type ArchiveClass = (typeof archiveClasses)[number];
type ThawTier = 'Standard' | 'Bulk';

/**
 * How long S3 takes. Source: Amazon S3 User Guide, "Understanding archive retrieval options"; "typically", and longer for
 * hundreds of terabytes. Expedited is left out: Deep Archive has none, and elsewhere its capacity is not promised.
 */
const thawTimes: Readonly<Record<ArchiveClass, Readonly<Record<ThawTier, string>>>> = {
  GLACIER: { Standard: '3 to 5 hours', Bulk: '5 to 12 hours' },
  DEEP_ARCHIVE: { Standard: 'up to 12 hours', Bulk: 'up to 48 hours' },
};

/** How long a thawed copy is asked for: enough for a restore that fails once and is looked into. */
const copyDays = 7;
/** More objects than these are not named one by one. */
const mostNamed = 50;

export function isArchiveClass(storageClass: string | undefined): storageClass is ArchiveClass {
  return archiveClasses.some((known) => known === storageClass);
}

/** How an object stands. S3 keeps the class of a thawed one and tells by `x-amz-restore` alone that it can be read for a while. */
export function thawOf(
  storageClass: string | undefined,
  restore: string | undefined,
): Pick<ObjectFacts, 'archived' | 'thawing'> {
  if (!isArchiveClass(storageClass) || restore?.includes('ongoing-request="false"') === true) return {};
  return { archived: true, thawing: restore?.includes('ongoing-request="true"') === true };
}

/** One object that must be thawed before it can be read. */
export interface ArchivedObject {
  readonly key: string;
  readonly versionId?: string;
  readonly storedBytes: number;
  readonly storageClass: ArchiveClass;
  /** Its thaw was ordered and is not done. */
  readonly thawing: boolean;
}

export interface ThawAdvice {
  /** What is archived, and whether it is on its way; without a full stop. */
  readonly detail: string;
  /** How long, about how much, and the exact next command. */
  readonly hint: string;
}

export interface ThawPlace {
  /** Of the vault: `s3://bucket/prefix`. */
  readonly url: string;
  /** Folder whose objects are thawed together when there are too many to name. */
  readonly folder: string;
}

/** What to do about archived objects. The command orders what is not ordered yet; to repeat it does no harm. */
export function adviseThaw(objects: readonly ArchivedObject[], place: ThawPlace): ThawAdvice {
  const thawing = objects.filter((object) => object.thawing).length;
  const groups = archiveClasses
    .map((storageClass) => objects.filter((object) => object.storageClass === storageClass))
    .filter((group) => group.length > 0);
  const stored = groups.map((group) => `${describe(group)} in ${group[0]?.storageClass}`).join(' and ');
  if (thawing === objects.length) {
    return { detail: `${stored}, the thaw is under way`, hint: adviseWait(objects, place) };
  }
  const detail = thawing === 0 ? `${stored}, not thawed` : `${stored}, ${thawing} of them being thawed`;
  const due = objects.filter((object) => !object.thawing);
  const tiers = (['Standard', 'Bulk'] as const).map(
    (tier) => `${tier} takes ${timeOf(due, tier)} and costs ${about(costOf(due, tier))}`,
  );
  const prices = `list prices of ${thawPrices.region}, ${thawPrices.asOf}, a copy for ${copyDays} days included`;
  const hint = `thaw, wait, and try again; ${tiers.join(', ')} (${prices}); Standard is ordered by: ${thawCommand(due, place)}`;
  return { detail, hint };
}

/** For the read of a single object. */
export function archivedError(object: ArchivedObject, url: string, cause: unknown): HoldfastError {
  const { detail, hint } = adviseThaw([object], { url, folder: object.key });
  return new HoldfastError('ARCHIVED', `cannot read ${object.key}: ${detail}`, { cause, hint });
}

function adviseWait(objects: readonly ArchivedObject[], { url }: ThawPlace): string {
  const [first] = objects;
  const { bucket, prefix } = bucketOf(url);
  const version = first?.versionId === undefined ? '' : ` --version-id ${first.versionId}`;
  const look = `aws s3api head-object --bucket ${bucket} --key ${prefix}${first?.key ?? ''}${version} --query Restore`;
  return `wait, and try again; from its order a Standard thaw takes ${timeOf(objects, 'Standard')}, a Bulk one ${timeOf(objects, 'Bulk')}; ongoing-request="false" says that it is done: ${look}`;
}

/** Keys of a vault are letters, digits and `/._-` only, so nothing in them means anything to a shell. */
function thawCommand(objects: readonly ArchivedObject[], { url, folder }: ThawPlace): string {
  const { bucket, prefix } = bucketOf(url);
  const pairs = objects.map(({ key, versionId }) => `${prefix}${key} ${versionId ?? 'null'}`);
  const source =
    objects.length > mostNamed
      ? `aws s3api list-object-versions --bucket ${bucket} --prefix ${prefix}${folder} --query 'Versions[].[Key,VersionId]' --output text`
      : `printf '%s %s\\n' ${pairs.join(' ')}`;
  const order = `aws s3api restore-object --bucket ${bucket} --key "$0" --version-id "$1" --restore-request Days=${copyDays},GlacierJobParameters={Tier=Standard}`;
  return `${source} | xargs -n 2 -P 8 sh -c '${order}'`;
}

function timeOf(objects: readonly ArchivedObject[], tier: ThawTier): string {
  const slowest = archiveClasses.findLast((name) => objects.some((object) => object.storageClass === name));
  return thawTimes[slowest ?? 'DEEP_ARCHIVE'][tier];
}

function costOf(objects: readonly ArchivedObject[], tier: ThawTier): number {
  const perGbOfCopy = (thawPrices.copyPerGbMonth * copyDays) / 30;
  return objects.reduce((sum, { storageClass, storedBytes }) => {
    const perGb = thawPrices.perGb[storageClass][tier] + perGbOfCopy;
    return sum + thawPrices.perThousandRequests[storageClass][tier] / 1000 + (perGb * storedBytes) / 2 ** 30;
  }, 0);
}

function about(dollars: number): string {
  return dollars < 0.01 ? 'less than $0.01' : `about $${dollars.toFixed(2)}`;
}

function describe(objects: readonly ArchivedObject[]): string {
  const bytes = objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const size = bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
  return `${plural(objects.length, 'object')} of ${size}`;
}

function bucketOf(url: string): { readonly bucket: string; readonly prefix: string } {
  const [bucket = '', ...elements] = url.replace(/^s3:\/\//, '').split('/');
  return { bucket, prefix: elements.map((element) => `${element}/`).join('') };
}
