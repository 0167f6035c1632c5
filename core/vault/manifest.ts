import * as z from 'zod';

/** A ULID: 48 bits of milliseconds, 80 random bits, Crockford base 32; sorts by time. */
export const recoveryPointIdSchema = z.string().regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/, 'must be a ULID');

/** Source ids name folders in the vault, so they are kept to what every file system and S3 take. */
export const sourceIdSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/, 'must be 2 to 63 of a-z, 0-9 and -, starting with a letter');

/**
 * `compliance`: nobody deletes the object before its time, the account's root user included. `governance`: whoever may bypass
 * the lock does.
 */
export const lockModeSchema = z.enum(['compliance', 'governance']);

export const backupTypeSchema = z.enum(['full', 'incremental', 'differential', 'snapshot', 'continuous']);

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);
const countSchema = z.number().int().nonnegative();

/**
 * One stored object. An item that rolled over at 64 GiB has several entries with the same name, numbered by `segment`
 * from 1; their stored bytes concatenated are one encrypted message. `rows` and `bytes` (before compression) stand in the first.
 */
export const manifestItemSchema = z.strictObject({
  name: z.string().min(1),
  kind: z.string().min(1),
  segment: z.number().int().positive().optional(),
  key: z.string().min(1),
  versionId: z.string().optional(),
  rows: countSchema.optional(),
  bytes: countSchema.optional(),
  storedBytes: countSchema,
  sha256: sha256Schema,
  crc64nvme: z.string(),
  /** What the engine needs to restore the item (columns, order, table); never a secret. */
  detail: z.record(z.string(), z.json()).optional(),
});

/** Names hold bytes that are no character, as U+EF00 plus the byte: a reader that does not know that would look for other names. */
export const byteTextFeature = 'byte-text';

/** `manifest.json`, schemaVersion 1. The signature covers the canonical JSON (RFC 8785) of everything but `signature`. */
export const manifestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  id: recoveryPointIdSchema,
  source: sourceIdSchema,
  engine: z.strictObject({ name: z.string(), version: z.string() }),
  type: backupTypeSchema,
  parent: recoveryPointIdSchema.optional(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** Until when every object of the point is locked; absent in a vault without locks. */
  lockedUntil: z.iso.datetime().optional(),
  /** How; `compliance` when absent. */
  lockMode: lockModeSchema.optional(),
  /** Where in the source's own history the point stands, e.g. `{ lsn, snapshot }`. */
  position: z.record(z.string(), z.json()),
  items: z.array(manifestItemSchema),
  notCovered: z.array(z.strictObject({ name: z.string(), reason: z.string() })),
  /** Counts taken by SQL in the same snapshot, not from the mover. */
  independentCounts: z.array(z.strictObject({ name: z.string(), rows: countSchema })),
  totals: z.strictObject({
    items: countSchema,
    rows: countSchema,
    bytes: countSchema,
    storedBytes: countSchema,
  }),
  tools: z.record(z.string(), z.string()),
  billOfMaterials: z.record(z.string(), z.json()),
  canary: z.record(z.string(), z.json()).optional(),
  classification: z.string().optional(),
  /** SHA-256 of the stored bytes of the source's manifest before this one, and until when that one must be there. */
  previous: z
    .strictObject({
      id: recoveryPointIdSchema,
      sha256: sha256Schema,
      lockedUntil: z.iso.datetime().optional(),
    })
    .optional(),
  /** Objects below this point that an attempt before it left behind (they may be locked); no part of the backup. */
  leftovers: z.array(z.string()).optional(),
  /** What a reader must know to read this point right; missing when any reader does. A reader refuses what it does not know. */
  features: z.array(z.string()).optional(),
  signature: z.strictObject({
    algorithm: z.enum(['ECDSA_SHA_256', 'HMAC_SHA_256']),
    keyId: z.string(),
    /** base64 */
    value: z.string(),
  }),
});

export type RecoveryPointId = z.infer<typeof recoveryPointIdSchema>;
export type LockMode = z.infer<typeof lockModeSchema>;
export type ManifestItem = z.infer<typeof manifestItemSchema>;
export type Manifest = z.infer<typeof manifestSchema>;
export type UnsignedManifest = Omit<Manifest, 'signature'>;
