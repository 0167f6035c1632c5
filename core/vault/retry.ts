import pRetry from 'p-retry';

export interface RetryOptions {
  /** How long failing calls are repeated. @default 90: a network that is gone for 30 s costs no job */
  readonly retrySeconds?: number;
  readonly signal?: AbortSignal;
}

/** Repeats what `isTransient` allows, with exponential backoff and jitter, until it works or the time is up; then throws the last error. */
export async function withRetry<T>(
  call: (attempt: number) => Promise<T>,
  isTransient: (error: unknown) => boolean,
  options: RetryOptions = {},
): Promise<T> {
  const budget = (options.retrySeconds ?? 90) * 1000;
  const started = performance.now();
  return pRetry(call, {
    // 200 ms doubling to 5 s: 90 s are about 22 attempts. The clock below ends it, not the count.
    retries: 1000,
    minTimeout: Math.min(200, budget),
    maxTimeout: Math.min(5000, budget),
    randomize: true,
    // p-retry turns anything that is not an Error into a TypeError; what we throw always is one.
    shouldRetry: ({ error }) => isTransient(error) && performance.now() - started < budget,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}
