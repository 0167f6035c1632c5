/** A scope in which the first failure ends everything: its signal fires, and `settle` throws that failure, not the ones it caused. */
export class FailFast {
  readonly #controller = new AbortController();
  readonly #tasks: Promise<unknown>[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(outer: AbortSignal, abortedError: () => Error) {
    const abort = () => this.fail(abortedError());
    if (outer.aborted) abort();
    outer.addEventListener('abort', abort, { once: true });
    this.#controller.signal.addEventListener('abort', () => outer.removeEventListener('abort', abort), {
      once: true,
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#controller.abort();
  }

  /** Runs a task of the scope; its failure ends the scope. */
  run(task: () => Promise<void>): void {
    this.#tasks.push(task().catch((error: unknown) => this.fail(error)));
  }

  /** What ended the scope, if anything did. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Waits for all tasks, then throws the first failure. */
  async settle(): Promise<void> {
    for (let done = 0; done < this.#tasks.length; done += 1) await this.#tasks[done];
    this.throwIfFailed();
  }

  /** Ends the scope: whatever still listens to its signal stops. */
  close(): void {
    this.#controller.abort();
  }
}
