/**
 * What S3 lists for thawing, in US dollars: for a rough figure in a message, not for a bill. Other Regions differ by up to
 * about a half, and agreements are not in it. Source: Amazon S3 pricing page, storage and "requests & data retrievals".
 */
export const thawPrices = {
  region: 'us-east-1',
  /** Month in which the list prices were read. */
  asOf: '2026-05',
  /** Per GB (2^30 bytes) that is brought back. */
  perGb: {
    GLACIER: { Standard: 0.01, Bulk: 0 },
    DEEP_ARCHIVE: { Standard: 0.02, Bulk: 0.0025 },
  },
  /** Per 1,000 objects. */
  perThousandRequests: {
    GLACIER: { Standard: 0.05, Bulk: 0 },
    DEEP_ARCHIVE: { Standard: 0.1, Bulk: 0.025 },
  },
  /** The thawed copy is billed as S3 Standard, per GB and month, as long as it lasts. */
  copyPerGbMonth: 0.023,
} as const;
