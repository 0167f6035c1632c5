/** A small seeded generator (mulberry32): the same seed gives the same data on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ x < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** 0 ≤ n < below */
  integer(below: number): number {
    return Math.floor(this.next() * below);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)] as T;
  }
}

const syllables = [
  'an',
  'be',
  'cor',
  'da',
  'el',
  'fi',
  'gra',
  'ho',
  'in',
  'jo',
  'ka',
  'lu',
  'mer',
  'no',
  'or',
  'pa',
  'qui',
  'ra',
  'sol',
  'ti',
  'ul',
  'ver',
  'wa',
  'xe',
  'yo',
  'zu',
];

const phraseCount = 800;
const phraseWords = 5;
/** Of the turns in a sentence; with it gzip makes about a quarter of the text. */
const phraseShare = 0.55;

/**
 * Text whose words follow Zipf's law over a made-up vocabulary, so that it compresses about as real prose does
 * (gzip to roughly a quarter), unlike random bytes or one repeated line.
 */
export class Prose {
  readonly #random: Random;
  readonly #words: readonly string[];
  readonly #cumulative: Float64Array;
  /** Turns of speech: people repeat themselves, which independent words would not. */
  readonly #phrases: string[] = [];

  constructor(random: Random, vocabulary = 4_000) {
    this.#random = random;
    const words = new Set<string>();
    while (words.size < vocabulary) {
      let word = '';
      for (let i = 0; i < 1 + random.integer(4); i += 1) word += random.pick(syllables);
      words.add(word);
    }
    this.#words = [...words].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    this.#cumulative = new Float64Array(vocabulary);
    let sum = 0;
    for (let rank = 0; rank < vocabulary; rank += 1) {
      sum += 1 / (rank + 2.7);
      this.#cumulative[rank] = sum;
    }
    for (let i = 0; i < phraseCount; i += 1) {
      this.#phrases.push(Array.from({ length: phraseWords }, () => this.word()).join(' '));
    }
  }

  word(): string {
    const wanted = this.#random.next() * (this.#cumulative.at(-1) ?? 1);
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cumulative[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return this.#words[low] ?? '';
  }

  /** About so many words. */
  sentence(words: number): string {
    let text = this.word();
    for (let count = 1; count < words;) {
      const common = this.#random.next() < phraseShare;
      text += ` ${common ? this.#phrase() : this.word()}`;
      count += common ? phraseWords : 1;
    }
    return text;
  }

  #phrase(): string {
    // The square makes the first phrases the common ones.
    return this.#phrases[Math.floor(this.#random.next() ** 2 * this.#phrases.length)] ?? '';
  }
}
