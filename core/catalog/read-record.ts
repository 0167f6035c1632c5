import * as z from 'zod';
import { HoldfastError } from '../errors.ts';
import { isStoredReadable, readStored } from '../read-stored.ts';
import { jobSchema } from './job.ts';
import { recoveryPointSchema } from './recovery-point.ts';

/** What a list can show; it passes over the rest, which a newer version wrote with values that are unknown here. */
export const isReadableJob = (record: unknown): boolean => isStoredReadable(jobSchema, record);
export const isReadablePoint = (record: unknown): boolean => isStoredReadable(recoveryPointSchema, record);

/** A record that was asked for by its id. @throws NOT_SUPPORTED_YET when its values are not those that this version knows */
export function readRecord<S extends z.ZodType>(schema: S, record: unknown, what: string): z.output<S> {
  try {
    return readStored(schema, record);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const faults = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new HoldfastError(
      'NOT_SUPPORTED_YET',
      `${what} in the catalogue cannot be read by this version: ${faults.slice(0, 3).join('; ')}`,
      { hint: 'was it written by a newer version of Holdfast? read it with that one', cause: error },
    );
  }
}
