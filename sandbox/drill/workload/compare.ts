import type { CheckResult } from '../../../core/engines/engine.ts';
import { type PostgresServer } from '../../postgres/postgres-server.ts';
import { type Acknowledged, firstLiveNumber } from './live-writer.ts';
import { sql } from './load-shop.ts';

export interface Comparison {
  /** Orders whose commit was acknowledged before the disaster. */
  readonly acknowledged: number;
  readonly present: number;
  /** Numbers of the orders that were acknowledged and are not there. */
  readonly missing: readonly number[];
  readonly checks: readonly CheckResult[];
}

/** Holds restored data against what its writers were told was safe. */
export async function compareWithAcknowledged(
  server: PostgresServer,
  database: string,
  acknowledged: readonly Acknowledged[],
): Promise<Comparison> {
  const found = await sql<{ number: string }>(
    server,
    database,
    `select number from shop.orders where number >= ${firstLiveNumber}`,
  );
  const there = new Set(found.map((row) => Number(row.number)));
  const missing = acknowledged.map((order) => order.number).filter((number) => !there.has(number));
  return {
    acknowledged: acknowledged.length,
    present: acknowledged.length - missing.length,
    missing,
    checks: [...(await consistencyChecks(server, database)), prefixCheck(there)],
  };
}

async function consistencyChecks(server: PostgresServer, database: string): Promise<CheckResult[]> {
  const ask = async (name: string, text: string): Promise<CheckResult> => {
    const [row] = await sql<{ wrong: string }>(server, database, text);
    const wrong = Number(row?.wrong ?? -1);
    return {
      name,
      ok: wrong === 0,
      detail:
        wrong === 0 ? 'holds for every row' : `${wrong} ${wrong === 1 ? 'row breaks' : 'rows break'} it`,
    };
  };
  return [
    await ask(
      'every order total is the sum of its items',
      `select count(*) as wrong from (select o.total, sum(i.quantity * i.price) as items from shop.orders o
       join shop.order_items i on i.order_id = o.id group by o.id) t where total <> items`,
    ),
    await ask(
      'no order is without items',
      `select count(*) as wrong from shop.orders o where not exists (select from shop.order_items i where i.order_id = o.id)`,
    ),
    await ask(
      'pgbench balances agree',
      `select count(*) as wrong from (select (select sum(abalance) from pgbench_accounts) a, (select sum(tbalance) from pgbench_tellers) t,
       (select sum(bbalance) from pgbench_branches) b, (select coalesce(sum(delta), 0) from pgbench_history) h) s where not (a = t and t = b and b = h)`,
    ),
  ];
}

/** One writer numbers its orders in commit order, so one moment in time holds all numbers up to one, without a gap. */
function prefixCheck(there: ReadonlySet<number>): CheckResult {
  let gap: number | undefined;
  for (let number = firstLiveNumber; number < firstLiveNumber + there.size; number += 1) {
    if (!there.has(number)) gap ??= number;
  }
  return {
    name: 'live orders end at one moment, without a gap',
    ok: gap === undefined,
    detail:
      gap === undefined ? `${there.size} orders in sequence` : `order ${gap} is missing before the last one`,
  };
}
