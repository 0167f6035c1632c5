import fc from 'fast-check';
import type { GeneratorValue } from 'fast-check';
import { quoteIdentifier, quoteLiteral } from '../../quote.ts';

/** Draws values: `pick` decides, and everything it decides comes from the seed. */
export class Dice {
  /** Where the server knows no encoding names may hold any bytes. */
  isInBytes = false;
  readonly #draw: GeneratorValue;
  readonly #letter: string;
  #count = 0;

  /** `letter` leads the names, so that those of two dice differ. */
  constructor(draw: GeneratorValue, letter: string) {
    this.#draw = draw;
    this.#letter = letter;
  }

  number(from: number, to: number): number {
    return this.#draw(fc.integer, { min: from, max: to });
  }

  /** True once in `among` times. */
  once(among: number): boolean {
    return this.number(1, among) === 1;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.number(0, values.length - 1)] as T;
  }

  some<T>(values: readonly T[], most = 3): T[] {
    return values.length === 0 ? [] : Array.from({ length: this.number(1, most) }, () => this.pick(values));
  }

  /** A name that nothing else has, often one that breaks what does not quote. */
  name(): string {
    this.#count += 1;
    const plain = `${this.#letter}${this.#count}`;
    const hostile = [
      plain,
      plain,
      `${plain} with space`,
      `${plain}"quoted"`,
      `${plain}'s`,
      `${plain}\nnext line`,
      `${plain}%s%%d`,
      `${plain}\\back`,
      `${plain}.dot`,
      `${plain}; DROP TABLE x; --`,
      `${plain} $$ $1 :x`,
      `${plain}ünï🙂`,
      `${plain}${'x'.repeat(63 - plain.length)}`,
      `${plain}${'é'.repeat(28)}`,
      `Select${this.#count}`,
      ` ${plain} `,
      `${plain} orders x`,
      `${plain},(a)`,
      `\t${plain}\r`,
      `/*${plain}*/`,
      `-- ${plain}`,
    ];
    // Latin-1, half a character, and a character that stands for a byte.
    if (this.isInBytes)
      hostile.push(
        `${plain}caf\uefe9`,
        `\uefff\uef80${plain}`,
        `${plain}\uefe2\uef82`,
        `${plain}\uefee\uefbe\uef80`,
      );
    return this.pick(hostile);
  }

  text(): string {
    return quoteLiteral(
      this.pick([
        '',
        'it’s "so" \\ it\'s',
        'line\nbreak',
        '%s %d',
        '$$',
        '🙂',
        '; --',
        'a\tb',
        'NULL',
        '\\.',
      ]),
    );
  }
}

export const ident = quoteIdentifier;
