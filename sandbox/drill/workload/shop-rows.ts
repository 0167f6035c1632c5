import { Prose, Random } from './random.ts';
import type { ShopSize } from './shop-schema.ts';

export interface TableRows {
  readonly table: string;
  readonly columns: readonly string[];
  /** Chunks of COPY text, about 256 KiB each. */
  rows(): Generator<string>;
}

const epoch = Date.UTC(2026, 0, 1);
const statuses = ['new', 'paid', 'packed', 'shipped', 'returned'];
const kinds = ['viewed', 'added', 'removed', 'ordered', 'paid', 'shipped', 'complained'];

/** Every table's rows for COPY; the same seed and size give the same bytes. An order's total is the sum of its items. */
export function shopRows(size: ShopSize, seed: number): TableRows[] {
  return [
    table('shop.tenants', ['id', 'name', 'plan'], () => tenants(size)),
    table('shop.customers', ['id', 'tenant_id', 'email', 'name', 'address', 'created_at'], () =>
      customers(size, seed),
    ),
    table(
      'shop.orders',
      ['id', 'tenant_id', 'customer_id', 'number', 'status', 'total', 'note', 'created_at'],
      () => orders(size, seed),
    ),
    table('shop.order_items', ['id', 'order_id', 'sku', 'quantity', 'price'], () => items(size)),
    table('shop.events', ['id', 'tenant_id', 'order_id', 'at', 'kind', 'payload', 'body'], () =>
      events(size, seed),
    ),
  ];
}

function table(name: string, columns: readonly string[], lines: () => Generator<string>): TableRows {
  return {
    table: name,
    columns,
    *rows() {
      let chunk: string[] = [];
      let length = 0;
      for (const line of lines()) {
        chunk.push(line);
        length += line.length;
        if (length < 262_144) continue;
        yield `${chunk.join('\n')}\n`;
        chunk = [];
        length = 0;
      }
      if (chunk.length > 0) yield `${chunk.join('\n')}\n`;
    },
  };
}

const time = (seconds: number) => new Date(epoch + seconds * 1_000).toISOString();

function* tenants(size: ShopSize): Generator<string> {
  for (let id = 1; id <= size.tenants; id += 1)
    yield `${id}\tTenant ${id}\t${id % 3 === 0 ? 'large' : 'small'}`;
}

function* customers(size: ShopSize, seed: number): Generator<string> {
  const random = new Random(seed + 1);
  const prose = new Prose(random);
  for (let id = 1; id <= size.customers; id += 1) {
    const name = `${prose.word()} ${prose.word()}`;
    const address = `{"street": "${prose.sentence(2)} ${random.integer(200)}", "city": "${prose.word()}", "zip": "${10_000 + random.integer(89_999)}"}`;
    yield `${id}\t${1 + (id % size.tenants)}\t${prose.word()}.${id}@example.com\t${name}\t${address}\t${time(random.integer(2e7))}`;
  }
}

function* orders(size: ShopSize, seed: number): Generator<string> {
  const random = new Random(seed + 2);
  const prose = new Prose(random);
  for (let id = 1; id <= size.orders; id += 1) {
    const customer = 1 + random.integer(size.customers);
    let cents = 0;
    for (let n = 0; n < size.itemsPerOrder; n += 1) cents += itemQuantity(id, n) * itemCents(id, n);
    const total = (cents / 100).toFixed(2);
    const tenant = 1 + (customer % size.tenants);
    const status = random.pick(statuses);
    yield `${id}\t${tenant}\t${customer}\t${id}\t${status}\t${total}\t${prose.sentence(4 + random.integer(10))}\t${time(random.integer(2e7))}`;
  }
}

// Derived from the ids alone, so that orders and items agree without remembering anything.
const itemQuantity = (order: number, n: number) => 1 + ((order * 7 + n * 3) % 5);
const itemCents = (order: number, n: number) => 199 + ((order * 31 + n * 101) % 9_000);

function* items(size: ShopSize): Generator<string> {
  let id = 0;
  for (let order = 1; order <= size.orders; order += 1) {
    for (let n = 0; n < size.itemsPerOrder; n += 1) {
      id += 1;
      const sku = `SKU-${String((order * 13 + n * 7919) % 50_000).padStart(6, '0')}`;
      yield `${id}\t${order}\t${sku}\t${itemQuantity(order, n)}\t${(itemCents(order, n) / 100).toFixed(2)}`;
    }
  }
}

function* events(size: ShopSize, seed: number): Generator<string> {
  const random = new Random(seed + 3);
  const prose = new Prose(random);
  for (let id = 1; id <= size.events; id += 1) {
    const order = random.next() < 0.7 ? String(1 + random.integer(size.orders)) : '\\N';
    const payload = `{"page": "/${prose.word()}/${prose.word()}", "agent": "${prose.word()}/${random.integer(99)}", "session": ${random.integer(1e9)}, "tags": ["${prose.word()}", "${prose.word()}"]}`;
    const body = prose.sentence(18 + random.integer(30));
    yield `${id}\t${1 + random.integer(size.tenants)}\t${order}\t${time(id % 2e7)}\t${random.pick(kinds)}\t${payload}\t${body}`;
  }
}
