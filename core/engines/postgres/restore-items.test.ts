import { describe, expect, it } from 'vitest';
import { selectTables, type TableItem } from './restore-items.ts';

const item = (name: string, part: number) =>
  ({
    table: { schema: 'public', name },
    detail: { schema: 'public', table: name, oid: 1, columns: [], part, parts: 8 },
    storedBytes: 1,
  }) as unknown as TableItem;
const hintFor = (tables: readonly TableItem[]) => {
  try {
    return { found: selectTables(tables, ['public.none']) };
  } catch (error) {
    const { code, hint } = error as { readonly code: string; readonly hint: string };
    return { code, hint };
  }
};

describe('a table that is not there', () => {
  it('is answered with the names of others, each once however many parts it has', () => {
    const parts = (name: string) => Array.from({ length: 8 }, (_, part) => item(name, part + 1));
    expect(hintFor([...parts('orders'), ...parts('items')])).toEqual({
      code: 'ITEM_NOT_FOUND',
      hint: 'tables are named schema.table; it holds public.orders, public.items',
    });
  });

  it('names five of them and says that there are more', () => {
    const hint = (n: number) => hintFor(Array.from({ length: n }, (_, i) => item(`t${i}`, 1))).hint;
    expect(hint(5)).toMatch(/public\.t4$/);
    expect(hint(6)).toMatch(/public\.t4, …$/);
    expect(hint(0)).toMatch(/it holds no table$/);
  });
});
