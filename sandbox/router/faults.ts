import type { RequestScope } from './request-scope.ts';

/** What happens to requests that match; missing fields match everything. */
export interface FaultRule {
  readonly region?: string;
  readonly service?: string;
  readonly operation?: string;
  /** Found in the request's path and query, decoded: an object's key, a source's folder in the vault. */
  readonly path?: string | RegExp;
  /**
   * `reset` cuts the connection before the request is passed on; `lostReply` passes it on and cuts the connection instead of
   * answering (the call took effect and nobody was told); `throttle` and `error` answer 503 and 500; `deny` answers 403;
   * `expired` answers 400 as to credentials whose time is over; `missing` answers 404 as for an object that is not there;
   * `delay` waits `delayMilliseconds` first.
   */
  readonly effect: 'reset' | 'lostReply' | 'throttle' | 'error' | 'deny' | 'expired' | 'missing' | 'delay';
  readonly delayMilliseconds?: number;
  /** Only the first so many matching requests. @default all */
  readonly first?: number;
  /** Epoch milliseconds after which the rule is over. @default never */
  readonly until?: number;
}

/** An ordered list of rules, the first that matches decides. */
export class Faults {
  readonly #rules: { readonly id: number; readonly rule: FaultRule; hits: number }[] = [];
  #nextId = 1;

  add(rule: FaultRule): number {
    const id = this.#nextId++;
    this.#rules.push({ id, rule, hits: 0 });
    return id;
  }

  remove(id: number): void {
    const index = this.#rules.findIndex((entry) => entry.id === id);
    if (index >= 0) this.#rules.splice(index, 1);
  }

  clear(): void {
    this.#rules.length = 0;
  }

  /** How often a rule took effect. */
  hits(id: number): number {
    return this.#rules.find((entry) => entry.id === id)?.hits ?? 0;
  }

  take(scope: RequestScope, now = Date.now()): FaultRule | undefined {
    for (const entry of this.#rules) {
      const { rule } = entry;
      const over =
        (rule.first !== undefined && entry.hits >= rule.first) ||
        (rule.until !== undefined && now >= rule.until);
      if (over || !matches(rule, scope)) continue;
      entry.hits += 1;
      return rule;
    }
    return undefined;
  }
}

function matches(rule: FaultRule, scope: RequestScope): boolean {
  return (
    (rule.region === undefined || rule.region === scope.region) &&
    (rule.service === undefined || rule.service === scope.service) &&
    (rule.operation === undefined || rule.operation === scope.operation) &&
    (rule.path === undefined || isIn(scope.path, rule.path))
  );
}

function isIn(text: string, wanted: string | RegExp): boolean {
  return typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text);
}
