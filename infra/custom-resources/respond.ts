import * as z from 'zod';

/** What CloudFormation sends to the function behind a custom resource. */
export const customResourceEventSchema = z.object({
  RequestType: z.enum(['Create', 'Update', 'Delete']),
  ResponseURL: z.url(),
  StackId: z.string(),
  RequestId: z.string(),
  LogicalResourceId: z.string(),
  PhysicalResourceId: z.string().optional(),
  ResourceProperties: z.record(z.string(), z.unknown()),
});
export type CustomResourceEvent = z.output<typeof customResourceEventSchema>;

export interface CustomResourceResult {
  readonly physicalId: string;
  readonly data?: Readonly<Record<string, string>>;
}

const deniedNames = new Set(['AccessDenied', 'AccessDeniedException']);

/** IAM takes some seconds until every host knows a new role's permissions; a deployment must not fail for that. */
export async function oncePermitted<T>(
  call: () => Promise<T>,
  options: { readonly tries?: number; readonly delayMs?: number } = {},
): Promise<T> {
  const { tries = 10, delayMs = 4000 } = options;
  for (let tried = 1; ; tried += 1) {
    try {
      return await call();
    } catch (error) {
      if (tried >= tries || !(error instanceof Error && deniedNames.has(error.name))) throw error;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

/** What Lambda hands over beside the event, as far as it is used. */
export interface LambdaContext {
  getRemainingTimeInMillis(): number;
}

/** Left of the function's time for the answer itself. */
const answerMilliseconds = 10_000;

/**
 * Answers CloudFormation whatever happens, and before the function's time is over: an unanswered custom resource holds its
 * stack for an hour. Safe to be called twice with the same event; CloudFormation takes the first answer.
 */
export async function respond(
  input: unknown,
  work: (event: CustomResourceEvent) => Promise<CustomResourceResult>,
  context?: LambdaContext,
): Promise<void> {
  const event = customResourceEventSchema.parse(input);
  const answer = await inTime(work(event), context).then(
    (result) => ({ Status: 'SUCCESS', PhysicalResourceId: result.physicalId, Data: result.data ?? {} }),
    (error: unknown) => ({
      Status: 'FAILED',
      PhysicalResourceId: event.PhysicalResourceId ?? event.LogicalResourceId,
      Reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    }),
  );
  const { StackId, RequestId, LogicalResourceId } = event;
  const response = await fetch(event.ResponseURL, {
    method: 'PUT',
    body: JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId }),
    // The signature of the URL covers an empty content type.
    headers: { 'content-type': '' },
    signal: AbortSignal.timeout(answerMilliseconds / 2),
  });
  if (!response.ok) throw new Error(`CloudFormation refused the answer with ${response.status}`);
}

async function inTime<T>(work: Promise<T>, context: LambdaContext | undefined): Promise<T> {
  if (context === undefined) return work;
  const milliseconds = Math.max(0, context.getRemainingTimeInMillis() - answerMilliseconds);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(`not done within the ${Math.round(milliseconds / 1000)} s of the function; deploy again`),
        ),
      milliseconds,
    );
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
