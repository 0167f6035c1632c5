/** `1 table`, `2 tables`; a word whose plural is not made with an s comes with it. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
