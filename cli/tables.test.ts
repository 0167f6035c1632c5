import { describe, expect, it } from 'vitest';
import { formatState, table } from './tables.ts';

const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const head = ['RECOVERY POINT', 'STATE', 'DETAIL'];
const rows = [
  [id, 'protected', 'the first of its kind, with a sentence that is too long for a line'],
  [id, 'stored, peer down', 'short'],
];
const widest = (text: string) => Math.max(...text.split('\n').map(({ length }) => length));

describe('table', () => {
  it('keeps a row on one line where nobody counts columns, also one with a message of several lines', () => {
    const text = table(head, [...rows, ['x', 'failed', 'line one\n  line two']], {
      width: undefined,
      bold: false,
    });
    expect(text.split('\n')).toEqual([
      'RECOVERY POINT              STATE              DETAIL',
      `${id}  protected          the first of its kind, with a sentence that is too long for a line`,
      `${id}  stored, peer down  short`,
      'x                           failed             line one line two',
    ]);
  });

  it.each([80, 72, 60])('goes on in the next line, between words, at %d columns', (width) => {
    const text = table(head, rows, { width, bold: false });
    expect(widest(text)).toBeLessThanOrEqual(width);
    expect(text.match(new RegExp(`^${id}`, 'gm'))).toHaveLength(2);
    expect(text.split(/\s+/).join(' ')).toContain('kind,');
    for (const word of rows.flat().join(' ').split(' ')) expect(text).toContain(word);
  });

  it('makes a block of each row where not even the words fit, and breaks no id', () => {
    const text = table(head, rows, { width: 40, bold: false });
    expect(text).toContain(`RECOVERY POINT  ${id}\nSTATE           protected\nDETAIL          the first`);
    expect(text).toContain(`\n\nRECOVERY POINT  ${id}\nSTATE           stored, peer down\n`);
  });

  it('sets only the head in bold, and only where it is asked to', () => {
    const escape = '\u001B[';
    expect(table(head, rows, { width: 140, bold: false })).not.toContain(escape);
    const lines = table(head, rows, { width: 140, bold: true }).split('\n');
    expect(lines.map((line) => line.startsWith(`${escape}1m`))).toEqual([true, false, false]);
    expect(table(head, rows)).not.toContain(escape);
  });
});

describe('formatState', () => {
  it('says in words what is no word', () => {
    expect(['storedPeerDown', 'protected'].map(formatState)).toEqual(['stored, peer down', 'protected']);
  });
});
