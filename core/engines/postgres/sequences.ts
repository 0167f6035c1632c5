import * as z from 'zod';
import { HoldfastError } from '../../errors.ts';
import { type Relation, whyNotCovered } from './inventory.ts';
import { withoutKeepingLocks } from './locks.ts';
import { displayName, quoteLiteral, quoteName } from './quote.ts';
import type { Session } from './session.ts';
import type { Snapshot } from './snapshot.ts';

export const sequencesSchema = z.array(
  z.strictObject({ schema: z.string(), name: z.string(), lastValue: z.string(), isCalled: z.boolean() }),
);
export type SequenceState = z.infer<typeof sequencesSchema>[number];

const batch = 200;

/** The sequences whose state is part of a backup. */
export function coveredSequences({ relations, onStandby }: Snapshot): Relation[] {
  return relations.filter(
    (relation) => relation.kind === 'S' && whyNotCovered(relation, onStandby) === undefined,
  );
}

/** @throws SOURCE_PRIVILEGES */
export function requireReadableSequences(sequences: readonly Relation[]): void {
  const unreadable = sequences.filter((sequence) => !sequence.readable);
  if (unreadable.length === 0) return;
  throw new HoldfastError(
    'SOURCE_PRIVILEGES',
    `the backup user may not read ${unreadable.length} of ${sequences.length} sequences: ${unreadable.map(displayName).slice(0, 5).join(', ')}`,
    { hint: 'GRANT pg_read_all_data TO the backup user, or GRANT SELECT ON ALL SEQUENCES IN SCHEMA …' },
  );
}

/**
 * Reads the exact state of sequences. Sequences know no snapshot: the state is that of now, never behind the rows of the
 * snapshot, so a restored sequence hands out no number twice.
 */
export async function readSequences(
  session: Session,
  sequences: readonly Relation[],
  major: number,
): Promise<SequenceState[]> {
  const states: SequenceState[] = [];
  for (let start = 0; start < sequences.length; start += batch) {
    const some = sequences.slice(start, start + batch);
    const rows = await withoutKeepingLocks(session, () =>
      session.query<StateRow>(major >= 18 ? statesByNumberSql(some) : statesByNameSql(some)),
    );
    for (const { at, value, called } of rows) {
      const sequence = some[at];
      if (sequence === undefined) continue;
      const { schema, name } = sequence;
      if (value === null || called === null)
        throw new HoldfastError('SOURCE_CHANGED', `the sequence ${displayName(sequence)} was dropped`);
      states.push({ schema, name, lastValue: value, isCalled: called });
    }
  }
  return states;
}

interface StateRow {
  readonly at: number;
  readonly value: string | null;
  readonly called: boolean | null;
}

/** Gives nothing for a sequence that is gone, and keeps no lock. Version 18 has the function for pg_dump. */
function statesByNumberSql(sequences: readonly Relation[]): string {
  return `SELECT (n - 1)::int AS at, last_value::text AS value, is_called AS called
    FROM unnest('{${sequences.map(({ oid }) => oid).join(',')}}'::oid[]) WITH ORDINALITY AS wanted(oid, n), pg_catalog.pg_get_sequence_data(oid)`;
}

function statesByNameSql(sequences: readonly Relation[]): string {
  return sequences
    .map(
      (sequence, at) =>
        `SELECT ${at} AS at, last_value::text AS value, is_called AS called FROM ${quoteName(sequence)}`,
    )
    .join(' UNION ALL ');
}

/** Sets all of them in few statements. @throws what the server says of one that it has not */
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
  for (let start = 0; start < states.length; start += batch) {
    const some = states.slice(start, start + batch);
    const names = some.map((state) => quoteLiteral(quoteName(state)));
    const rows = await session.query<{ found: boolean }>(
      `select pg_catalog.to_regclass(name) is not null as found from unnest(array[${names.join(', ')}]) with ordinality as u(name, n) order by n`,
    );
    for (const [at, state] of some.entries()) if (rows[at]?.found === true) existing.add(state);
  }
  return existing;
}
