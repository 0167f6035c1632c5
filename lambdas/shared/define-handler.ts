import { Logger } from '@aws-lambda-powertools/logger';
import { MetricUnit, Metrics } from '@aws-lambda-powertools/metrics';
import type * as z from 'zod';
import { errorCodeOf, errorName, HoldfastError } from '../../core/errors.ts';
import { joinHint } from '../../core/jobs/hinted-message.ts';
import { metricDimensions, metricNamespace, type MetricValue } from '../../core/jobs/metrics.ts';

export interface HandlerDefinition<Request extends z.ZodType, Reply extends z.ZodType> {
  readonly name: string;
  readonly plan: string;
  readonly request: Request;
  readonly reply: Reply;
  readonly run: (
    request: z.output<Request>,
  ) => Promise<{ readonly reply: z.input<Reply>; readonly metrics?: readonly MetricValue[] }>;
}

export type Handler = (event: unknown, context?: { readonly awsRequestId?: string }) => Promise<unknown>;

const units = { Count: MetricUnit.Count, Seconds: MetricUnit.Seconds, Bytes: MetricUnit.Bytes } as const;

/**
 * The shape of every handler: schema in, one operation, schema out; a line of log with who, what and outcome; metrics. What
 * is thrown carries the error's own name, which `Retry` and `Catch` of the state machine match.
 */
export function defineHandler<Request extends z.ZodType, Reply extends z.ZodType>(
  definition: HandlerDefinition<Request, Reply>,
): Handler {
  const logger = new Logger({ serviceName: `holdfast-${definition.name}` });
  const metrics = new Metrics({
    namespace: metricNamespace,
    serviceName: `holdfast-${definition.name}`,
  });
  return async (event, context) => {
    logger.appendKeys({ plan: definition.plan, requestId: context?.awsRequestId });
    try {
      const { reply, metrics: values = [] } = await definition.run(parseRequest(definition, event));
      publish(metrics, definition.plan, values);
      logger.info('done', { reply });
      return definition.reply.parse(reply);
    } catch (error) {
      logger.error('failed', {
        code: errorCodeOf(error),
        reason: (error as Error).message,
        stack: (error as Error).stack,
      });
      throw namedError(error);
    }
  };
}

function parseRequest<Request extends z.ZodType>(
  definition: { readonly request: Request },
  event: unknown,
): z.output<Request> {
  const parsed = definition.request.safeParse(event);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'input'}: ${issue.message}`);
  throw new HoldfastError('USAGE', `the input does not fit: ${problems.join('; ')}`, {
    hint: 'a backup takes {"source":"shop-db"}; docs/runbook.md has the other inputs',
  });
}

/** Step Functions sees name and message only, so the hint goes along in the message. */
function namedError(error: unknown): Error {
  const hint = error instanceof HoldfastError ? error.hint : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const named = new Error(joinHint({ message, hint }), { cause: error });
  named.name = error instanceof HoldfastError ? error.name : errorName('INTERNAL');
  return named;
}

function publish(metrics: Metrics, plan: string, values: readonly MetricValue[]): void {
  for (const { name, unit, value, source } of values) {
    const single = metrics.singleMetric();
    // Exactly these dimensions: an alarm finds a metric only by the same set, and the library adds `service` by itself.
    single.clearDefaultDimensions();
    single.addDimension(metricDimensions.plan, plan);
    if (source !== undefined) single.addDimension(metricDimensions.source, source);
    single.addMetric(name, units[unit], value);
  }
}
