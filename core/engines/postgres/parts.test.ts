import { describe, expect, it } from 'vitest';
import { chooseCounted } from './coverage.ts';
import type { Relation } from './inventory.ts';
import { tableParts } from './parts.ts';

const mebibyte = 1024 ** 2;

function table(name: string, mebibytes: number, more: Partial<Relation> = {}): Relation {
  return {
    oid: 20_000,
    schema: 'public',
    name,
    kind: 'r',
    persistence: 'p',
    isHeap: true,
    mainBytes: mebibytes * mebibyte,
    tableBytes: mebibytes * mebibyte,
    columns: ['id', 'odd "name"'],
    partitionOf: [],
    createdWithExtension: false,
    inSystemSchema: false,
    readable: true,
    hiddenByRowSecurity: false,
    unchanged: true,
    ...more,
  };
}
const limits = { connections: 1, partBytes: 4096 * mebibyte, blockBytes: 8192 };

describe('tableParts', () => {
  it('keeps a table whole at the limit and cuts it one block above', () => {
    expect(tableParts([table('t', 4096)], limits)).toHaveLength(1);
    const above = tableParts(
      [table('t', 4096, { tableBytes: 4096 * mebibyte + 8192, mainBytes: 4096 * mebibyte + 8192 })],
      limits,
    );
    expect(above.map((part) => part.name)).toEqual(['public.t#1', 'public.t#2']);
  });

  it('covers every block once, with an open end', () => {
    const ranges = tableParts([table('t', 10_000)], limits)
      .toSorted((a, b) => Number(a.detail['part']) - Number(b.detail['part']))
      .map((part) => /ctid >= '\((\d+),0\)'(?: AND ctid < '\((\d+),0\)')?/.exec(part.copySql)?.slice(1));
    expect(ranges).toHaveLength(3);
    expect(ranges[0]?.[0]).toBe('0');
    for (let index = 1; index < ranges.length; index += 1)
      expect(ranges[index]?.[0]).toBe(ranges[index - 1]?.[1]);
    expect(ranges.at(-1)?.[1]).toBeUndefined();
  });

  it('cuts one big table so that all connections have work', () => {
    const parts = tableParts([table('big', 900), table('small', 100)], { ...limits, connections: 4 });
    expect(parts.filter((part) => part.name.startsWith('public.big#')).length).toBeGreaterThanOrEqual(8);
    expect(Math.max(...parts.map((part) => part.estimatedBytes))).toBeLessThanOrEqual(250 * mebibyte);
    const sizes = parts.map((part) => part.estimatedBytes);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
  });

  it('does not cut small tables, other storage or tables of extensions', () => {
    const many = { ...limits, connections: 8, partBytes: 64 * mebibyte };
    expect(tableParts([table('t', 20)], many)).toHaveLength(1);
    expect(tableParts([table('t', 500, { isHeap: false })], many)).toHaveLength(1);
    expect(
      tableParts([table('t', 500, { extension: 'postgis', extensionCondition: 'WHERE true' })], many),
    ).toHaveLength(1);
  });

  it('quotes names and leaves out the list of a table without columns', () => {
    expect(tableParts([table('t', 1)], limits)[0]?.copySql).toBe(
      'COPY "public"."t" ("id", "odd ""name""") TO STDOUT',
    );
    expect(tableParts([table('x', 1, { columns: [] })], limits)[0]?.copySql).toBe(
      'COPY "public"."x" TO STDOUT',
    );
    expect(
      tableParts(
        [table('e', 1, { columns: ['a'], extension: 'x', extensionCondition: 'WHERE NOT standard' })],
        limits,
      )[0]?.copySql,
    ).toBe('COPY (SELECT "a" FROM ONLY "public"."e" WHERE NOT standard) TO STDOUT');
  });
});

describe('chooseCounted', () => {
  it('takes the smallest first and stays within what may be read', () => {
    const tables = [table('huge', 1000), table('b', 40), table('a', 1), table('c', 60), table('d', 90)];
    const chosen = chooseCounted(tables, 150 * mebibyte);
    expect(chosen.map((entry) => entry.name)).toEqual(['a', 'b', 'd']);
    expect(chooseCounted(tables, 0)).toEqual([]);
  });
});
