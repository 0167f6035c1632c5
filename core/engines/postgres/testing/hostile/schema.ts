import fc from 'fast-check';
import { Model } from './model.ts';
import {
  breakSomething,
  makeComment,
  makeFunction,
  makeOddity,
  makeRights,
  makeTrigger,
  makeView,
} from './objects.ts';
import { makeChild, makeIndex, makeKey, makePartitions, makeTable, makeType } from './tables.ts';
import { Dice, ident } from './words.ts';

export interface HostileSchema {
  readonly encoding: 'UTF8' | 'LATIN1' | 'SQL_ASCII';
  /** To be sent one by one; some are refused, which is part of the game. */
  readonly statements: readonly string[];
}

/** What is listed more than once is made more often. */
const makers = [
  makeTable,
  makeTable,
  makeTable,
  makeIndex,
  makeIndex,
  makeIndex,
  makeKey,
  makeKey,
  makeType,
  makeFunction,
  makeView,
  makeView,
  makeTrigger,
  makeRights,
  makeComment,
  makeOddity,
  makeOddity,
  makePartitions,
  makeChild,
];

/**
 * A database of random objects that hang on each other, with hostile names; the same for the same seeds. Objects of different
 * seeds share the database and nothing else; the first one decides its encoding.
 */
export function hostileSchema(seeds: readonly number[]): HostileSchema {
  let encoding: HostileSchema['encoding'] | undefined;
  const statements = seeds.flatMap((seed, place) => {
    const [draw] = fc.sample(fc.gen(), { seed, numRuns: 1 });
    if (draw === undefined) throw new Error('fast-check gave nothing');
    const dice = new Dice(draw, 'nopqrstu'.charAt(place));
    const wanted = dice.pick(['UTF8', 'UTF8', 'UTF8', 'UTF8', 'LATIN1', 'SQL_ASCII'] as const);
    encoding ??= wanted;
    dice.isInBytes = encoding === 'SQL_ASCII';
    return statementsOf(seed, dice);
  });
  return { encoding: encoding ?? 'UTF8', statements };
}

function statementsOf(seed: number, dice: Dice): readonly string[] {
  // Roles are of the server: their names carry the seed.
  const roles = [`r${seed} "odd`, `R${seed}; --`];
  const m = new Model(dice, roles);
  for (const role of roles) m.run(`CREATE ROLE ${ident(role)}`);
  for (let count = dice.number(0, 2); count > 0; count -= 1) {
    const name = dice.name();
    m.schemas.push(name);
    m.run(`CREATE SCHEMA ${ident(name)}`);
  }
  makeFunction(m);
  makeTable(m);
  for (let count = dice.number(8, 25); count > 0; count -= 1) dice.pick(makers)(m);
  if (dice.once(2)) for (let count = dice.number(1, 3); count > 0; count -= 1) breakSomething(m);
  return m.statements;
}
