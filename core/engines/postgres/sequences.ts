import * as z from 'zod';
import { HoldfastError } from '../../errors.ts';
import type { Relation } from './inventory.ts';
import { displayName, quoteLiteral, quoteName } from './quote.ts';
import type { Session } from './session.ts';

export const sequencesSchema = z.array(
  z.strictObject({ schema: z.string(), name: z.string(), lastValue: z.string(), isCalled: z.boolean() }),
);
export type SequenceState = z.infer<typeof sequencesSchema>[number];

const batch = 200;

/**
 * Reads the exact state of sequences. Sequences know no snapshot: the state is that of now, never behind the rows of the
 * snapshot, so a restored sequence hands out no number twice.
 */
export async function readSequences(
  session: Session,
  sequences: readonly Relation[],
): Promise<SequenceState[]> {
  const unreadable = sequences.filter((sequence) => !sequence.readable);
  if (unreadable.length > 0) {
    throw new HoldfastError(
      'SOURCE_PRIVILEGES',
      `the backup user may not read the sequence ${unreadable.map(displayName).slice(0, 5).join(', ')}`,
      {
        hint: 'GRANT pg_read_all_data TO the backup user, or GRANT SELECT ON ALL SEQUENCES IN SCHEMA …',
      },
    );
  }
  const states: SequenceState[] = [];
  for (let start = 0; start < sequences.length; start += batch) {
    const selects = sequences
      .slice(start, start + batch)
      .map(
        (sequence, index) =>
          `SELECT ${start + index} AS at, last_value::text AS value, is_called AS called FROM ${quoteName(sequence)}`,
      );
    const rows = await session.query<{ at: number; value: string; called: boolean }>(
      selects.join(' UNION ALL '),
    );
    for (const row of rows) {
      const sequence = sequences[row.at];
      if (sequence !== undefined)
        states.push({
          schema: sequence.schema,
          name: sequence.name,
          lastValue: row.value,
          isCalled: row.called,
        });
    }
  }
  return states;
}

export async function writeSequences(session: Session, states: readonly SequenceState[]): Promise<void> {
  for (let start = 0; start < states.length; start += batch) {
    const calls = states
      .slice(start, start + batch)
      .map(
        (state) =>
          `pg_catalog.setval(${quoteLiteral(quoteName(state))}, ${BigInt(state.lastValue)}, ${state.isCalled})`,
      );
    await session.query(`SELECT ${calls.join(', ')}`);
  }
}

/** Those of the given sequences that the server has. */
export async function existingSequences(
  session: Session,
  states: readonly SequenceState[],
): Promise<ReadonlySet<SequenceState>> {
  const existing = new Set<SequenceState>();
  for (const state of states) {
    const { found } = await session.one<{ found: boolean }>(
      'select pg_catalog.to_regclass($1) is not null as found',
      [quoteName(state)],
    );
    if (found) existing.add(state);
  }
  return existing;
}
