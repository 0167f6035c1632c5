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

/**
 * Answers CloudFormation whatever happens: an unanswered custom resource holds its stack for an hour. Safe to be called
 * twice with the same event; CloudFormation takes the first answer.
 */
export async function respond(
  input: unknown,
  work: (event: CustomResourceEvent) => Promise<CustomResourceResult>,
): Promise<void> {
  const event = customResourceEventSchema.parse(input);
  const answer = await work(event).then(
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
  });
  if (!response.ok) throw new Error(`CloudFormation refused the answer with ${response.status}`);
}
