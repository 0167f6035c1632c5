import type { RequestScope } from './request-scope.ts';

/**
 * How a call ended. `answered`: the caller got a whole reply, be it an error; `refused`: its Region was off;
 * `cutOff`: the connection broke before the reply was whole.
 */
export type CallOutcome = 'answered' | 'refused' | 'cutOff';

export interface CallCount {
  readonly region: string;
  readonly service: string;
  readonly operation: string;
  /** The access key id it was signed with: who made it. */
  readonly caller: string;
  readonly outcome: CallOutcome;
  readonly count: number;
}

/** Every call that ended, by who made it and what became of it: the evidence of which Region a recovery needed. */
export class CallLedger {
  readonly #counts = new Map<string, CallCount>();

  record(scope: RequestScope, outcome: CallOutcome): void {
    const { region, service, operation, caller } = scope;
    const key = JSON.stringify([region, service, operation, caller, outcome]);
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    this.#counts.set(key, { region, service, operation, caller, outcome, count });
  }

  list(): readonly CallCount[] {
    return [...this.#counts.values()];
  }

  clear(): void {
    this.#counts.clear();
  }
}
