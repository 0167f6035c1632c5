import pRetry from 'p-retry';

const attempts = 3;
const timeoutMilliseconds = 10_000;

/**
 * GET, which every dead-man service takes. Tried three times within the function's minute; only 2xx counts, and a redirect
 * is not followed, for it may lead anywhere. What is returned never holds the address, which may be a secret.
 */
export async function callAddress(url: string): Promise<string | undefined> {
  try {
    await pRetry(
      async () => {
        const answer = await fetch(url, {
          redirect: 'manual',
          signal: AbortSignal.timeout(timeoutMilliseconds),
          headers: { 'user-agent': 'holdfast-heartbeat' },
        });
        await answer.body?.cancel();
        if (!answer.ok) throw new Error(`it answered ${answer.status}`);
      },
      { retries: attempts - 1, minTimeout: 500, factor: 2, shouldRetry: () => true },
    );
    return undefined;
  } catch (error) {
    return withoutAddress(error as Error);
  }
}

/** Messages of `fetch` may quote the address; its cause has a code. */
function withoutAddress(error: Error): string {
  if (/^it answered \d+$/.test(error.message)) return error.message;
  const { code } = (error.cause ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
