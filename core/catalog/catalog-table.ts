/**
 * The one table of the catalogue, as both sides see it: the adapter that reads and writes it and the infrastructure that
 * creates it. Key and index names are stored facts: renaming one means a new table.
 */
export const catalogTable = {
  partitionKey: 'pk',
  sortKey: 'sk',
  /** Seconds since 1970; only on records that may be forgotten: claims, and skips of a Region that stood down. */
  timeToLiveAttribute: 'expiresAt',
  indexes: {
    /** All records of one kind, sorted by time: `job`, `point`. For people: no task or function needs what is of all sources. */
    byKind: { name: 'byKind', partitionKey: 'kindKey', sortKey: 'sort' },
  },
} as const;
