import Table from 'cli-table3';

export interface TableOptions {
  /** Columns that there are. @default of the terminal on standard output; unbounded where that is none */
  readonly width?: number | undefined;
  /** Head in bold. @default on a terminal, unless NO_COLOR is set (https://no-color.org) */
  readonly bold?: boolean;
}

const gap = 2;

/**
 * A plain table that survives copy and paste: no frames, two spaces between columns. Where it is wider than the terminal the
 * widest columns go on in the next line, between words; where not even the longest words fit, every row becomes a block of
 * lines, because an id that is broken cannot be copied. Into a file or a pipe every row is one line, for programs.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { width = terminalWidth(), bold = mayStyle() }: TableOptions = {},
): string {
  const cells = rows.map((row) => row.map(oneLine));
  const columns = head.map((title, i) => [title, ...cells.map((row) => row[i] ?? '')]);
  const widths = fit(columns, width);
  const style = bold ? (text: string) => `\u001B[1m${text}\u001B[0m` : (text: string) => text;
  if (widths === undefined) return blocks(head.map(padTo(head)).map(style), cells);
  const made = new Table({
    colWidths: widths,
    wordWrap: true,
    chars: { ...noFrame, middle: ' '.repeat(gap) },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  made.push([...head], ...cells);
  const lines = made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
  const headLines = Math.max(...head.map((title, i) => wrappedLines(title, widths[i] ?? 0)));
  return lines.map((line, i) => (i < headLines ? style(line) : line)).join('\n');
}

function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

function mayStyle(): boolean {
  return process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
}

const noFrame = Object.fromEntries(
  ['top', 'bottom', 'left', 'mid', 'right'].flatMap((place) =>
    ['', '-mid', '-left', '-right'].map((end) => [`${place}${end}`, '']),
  ),
);

/** A row as lines of title and value; a long value is broken by the terminal itself, which copies it whole. */
function blocks(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows
    .map((row) => titles.map((title, i) => `${title}  ${row[i] ?? ''}`.trimEnd()).join('\n'))
    .join('\n\n');
}

const padTo = (head: readonly string[]) => (title: string) =>
  title.padEnd(Math.max(...head.map(({ length }) => length)));

const longest = (texts: readonly string[]) => Math.max(1, ...texts.map(({ length }) => length));
const longestWord = (texts: readonly string[]) => longest(texts.flatMap((text) => text.split(' ')));

/** Takes from the widest columns first, so that what is short stays on one line. `undefined` when words would have to be broken. */
function fit(columns: readonly (readonly string[])[], width: number | undefined): number[] | undefined {
  const widths = columns.map(longest);
  if (width === undefined) return widths;
  const least = columns.map(longestWord);
  const total = (all: readonly number[]) => all.reduce((sum, one) => sum + one, gap * (all.length - 1));
  if (total(least) > width) return undefined;
  while (total(widths) > width) {
    const room = widths.map((one, i) => (one > (least[i] ?? 0) ? one : 0));
    const widest = room.indexOf(Math.max(...room));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function wrappedLines(text: string, width: number): number {
  let [lines, used] = [1, 0];
  for (const { length } of text.split(' ')) {
    const next = used === 0 ? length : used + 1 + length;
    [lines, used] = next > width && used > 0 ? [lines + 1, length] : [lines, next];
  }
  return lines;
}

/** A message of several lines stays one cell. */
function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}

/** `2026-11-21T10:00:00.123Z` → `2026-11-21 10:00:00Z` */
export function formatTime(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

const stateWords: Readonly<Record<string, string>> = { storedPeerDown: 'stored, peer down' };

/** The state of a job or a recovery point in words, where its name is none. */
export function formatState(state: string): string {
  return stateWords[state] ?? state;
}
