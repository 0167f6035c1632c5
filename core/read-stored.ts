import * as z from 'zod';

/**
 * Reads what was stored, perhaps by a newer version: fields that are not known here are no fault and stay, so that whoever
 * writes the record back loses none of them and a signature over all of them still holds. Everything known must fit.
 * Writers check with the schema itself, which takes no other field. The value comes back as it was, order of fields included,
 * so the schema must be one that changes nothing (no defaults, no transforms). @throws z.ZodError
 */
export function readStored<S extends z.ZodType>(schema: S, stored: unknown): z.output<S> {
  const faults = faultsOf(schema, stored);
  if (faults.length > 0) throw new z.ZodError(faults);
  return stored as z.output<S>;
}

/** Whether {@link readStored} takes it: a newer version may have written values that are not known here. */
export function isStoredReadable(schema: z.ZodType, stored: unknown): boolean {
  return faultsOf(schema, stored).length === 0;
}

function faultsOf(schema: z.ZodType, stored: unknown) {
  return (schema.safeParse(stored).error?.issues ?? []).filter(({ code }) => code !== 'unrecognized_keys');
}
