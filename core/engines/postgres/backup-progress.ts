import type { ItemCounts } from '../../vault/vault.ts';
import type { EngineProgress } from '../engine.ts';

/** Adds up finished items and what the running copies have done so far; the totals never go back. */
export class BackupProgress {
  readonly #itemsTotal: number;
  readonly #estimatedBytes: number;
  readonly #report: (progress: EngineProgress) => void;
  readonly #current = new Set<string>();
  #itemsDone = 0;
  #rows = 0;
  #bytes = 0;
  #shownRows = 0;
  #shownBytes = 0;

  constructor(itemsTotal: number, estimatedBytes: number, report: (progress: EngineProgress) => void) {
    this.#itemsTotal = itemsTotal;
    this.#estimatedBytes = estimatedBytes;
    this.#report = report;
  }

  itemStarted(name: string): void {
    this.#current.add(name);
  }

  itemDone(name: string, counts: ItemCounts): void {
    this.#current.delete(name);
    this.#itemsDone += 1;
    this.#rows += counts.rows ?? 0;
    this.#bytes += counts.bytes ?? 0;
    this.#show(this.#rows, this.#bytes);
  }

  /** Totals of the copies that are under way. */
  running(rows: number, bytes: number): void {
    this.#show(this.#rows + rows, this.#bytes + bytes);
  }

  finish(): void {
    this.#show(this.#rows, this.#bytes);
  }

  #show(rows: number, bytes: number): void {
    this.#shownRows = Math.max(this.#shownRows, rows);
    this.#shownBytes = Math.max(this.#shownBytes, bytes);
    this.#report({
      itemsDone: this.#itemsDone,
      itemsTotal: this.#itemsTotal,
      rows: this.#shownRows,
      bytes: this.#shownBytes,
      estimatedBytes: Math.max(this.#estimatedBytes, this.#shownBytes),
      current: [...this.#current],
    });
  }
}
