import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { itemSchemaVersion } from './catalog-items.ts';
import { jobSchema } from './job.ts';
import { recoveryPointSchema } from './recovery-point.ts';

/**
 * What is stored by one version is read by the next. When one of these changes, records that are stored already no longer
 * fit: raise the schema version, read both, and test the step from the old one before writing the new hash here.
 */
const pinned = {
  version: 1,
  job: '4ee16efb5cccd728',
  recoveryPoint: '5ebe4dc36545ae49',
};

const hashOf = (schema: z.ZodType) =>
  createHash('sha256')
    .update(JSON.stringify(z.toJSONSchema(schema)))
    .digest('hex')
    .slice(0, 16);

describe('stored schemas', () => {
  it('are those of the version that items carry', () => {
    expect({
      version: itemSchemaVersion,
      job: hashOf(jobSchema),
      recoveryPoint: hashOf(recoveryPointSchema),
    }).toEqual(pinned);
  });
});
