import { quoteName } from '../../quote.ts';
import { type Dice, ident } from './words.ts';

export interface Column {
  readonly name: string;
  readonly type: string;
  /** An expression of `i` that gives a value of the type. */
  readonly value: string;
  /** The server fills it: no INSERT names it. */
  readonly isGenerated?: boolean;
}

export interface Table {
  readonly sql: string;
  readonly schema: string;
  readonly columns: readonly Column[];
  /** A column of integers that is unique. */
  readonly key?: string;
  readonly isPartitioned: boolean;
}

/** What was made so far, for what comes after it to hang on. Statements that the server refuses leave no trace but here. */
export class Model {
  readonly dice: Dice;
  readonly statements: string[] = [];
  readonly schemas: string[] = ['public'];
  readonly roles: string[];
  readonly tables: Table[] = [];
  readonly views: string[] = [];
  readonly matviews: string[] = [];
  /** From integer to integer, immutable. */
  readonly functions: string[] = [];
  readonly triggerFunctions: string[] = [];
  readonly sequences: string[] = [];
  readonly collations: string[] = [];
  readonly types: Omit<Column, 'name'>[] = [
    { type: 'integer', value: 'i' },
    { type: 'text', value: "'t' || i" },
    { type: 'bigint', value: 'i * 1000' },
    { type: 'numeric(12,3)', value: 'i / 7.0' },
    { type: 'timestamptz', value: "'2024-01-01Z'::timestamptz + i * interval '1 hour'" },
    { type: 'jsonb', value: "jsonb_build_object('i', i)" },
    { type: 'bytea', value: "decode(lpad(to_hex(i), 8, '0'), 'hex')" },
    { type: 'int4range', value: 'int4range(i * 2, i * 2 + 1)' },
    { type: 'boolean', value: 'i % 2 = 0' },
    { type: 'text[]', value: "ARRAY['a', NULL, i::text]" },
    { type: 'uuid', value: 'md5(i::text)::uuid' },
    { type: 'point', value: 'point(i, -i)' },
  ];

  constructor(dice: Dice, roles: string[]) {
    this.dice = dice;
    this.roles = roles;
  }

  run(...statements: readonly string[]): void {
    this.statements.push(...statements);
  }

  /** A new name in one of the schemas, quoted. */
  fresh(): string {
    return quoteName({ schema: this.dice.pick(this.schemas), name: this.dice.name() });
  }

  column(table: Table): string {
    return ident(this.dice.pick(table.columns).name);
  }

  /** A column of integers, where the table has one. */
  integerOf({ columns }: Table): string | undefined {
    const column = columns.find(({ type, isGenerated }) => type === 'integer' && isGenerated !== true);
    return column && ident(column.name);
  }

  fill(table: Table, rows: number, from = 1): void {
    const columns = table.columns.filter(({ isGenerated }) => isGenerated !== true);
    const names = columns.map(({ name }) => ident(name)).join(', ');
    const values = columns.map(({ value }) => value).join(', ');
    this.run(
      columns.length === 0
        ? `INSERT INTO ${table.sql} DEFAULT VALUES`
        : `INSERT INTO ${table.sql} (${names}) SELECT ${values} FROM generate_series(${from}, ${from + rows - 1}) i`,
    );
  }
}
