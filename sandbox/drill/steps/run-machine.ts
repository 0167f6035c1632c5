import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { createDynamoCatalogStore } from '../../../core/catalog/catalog-store.dynamodb.ts';
import type { CatalogStore } from '../../../core/catalog/catalog-store.ts';
import type { Job } from '../../../core/catalog/job.ts';
import { describeActivity, isMovingRows } from '../../../core/jobs/activity.ts';
import { errorCodeByName, HoldfastError } from '../../../core/errors.ts';
import { idFor } from '../../../core/jobs/job-ids.ts';
import { deploymentNames, type StateMachineName } from '../../../core/plan/names.ts';
import { type Drill, made } from '../drill-context.ts';
import { sayBytes, sayCount, sayDuration } from '../report/words.ts';
import type { StepDisplay } from '../terminal.ts';

export interface MachineRun {
  readonly region: string;
  readonly machine: StateMachineName;
  readonly input: Readonly<Record<string, unknown>>;
}

export function clientSettings(drill: Drill, region: string) {
  return {
    region,
    endpoint: made(drill.state.sandbox, 'sandbox').endpoint,
    credentials: { accessKeyId: 'drill', secretAccessKey: 'drill' },
  };
}

export function openCatalog(drill: Drill, region: string): CatalogStore {
  const table = deploymentNames(made(drill.state.plan, 'plan')).table;
  return createDynamoCatalogStore({ client: new DynamoDBClient(clientSettings(drill, region)), table });
}

/** Starts a state machine with the input a person would type, shows its job's progress, and returns the job it left. */
export async function runMachine(
  drill: Drill,
  run: MachineRun,
  display: StepDisplay,
): Promise<Extract<Job, { state: 'completed' }>> {
  const { region, machine, input } = run;
  const client = new SFNClient(clientSettings(drill, region));
  const stateMachineArn = deploymentNames(made(drill.state.plan, 'plan')).stateMachineArn(machine, region);
  const { executionArn } = await client.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
  );
  const catalog = openCatalog(drill, region);
  for (;;) {
    drill.options.signal.throwIfAborted();
    const execution = await client.send(new DescribeExecutionCommand({ executionArn }));
    const startedAt = made(execution.startDate, 'startDate');
    const id = idFor('job', { arn: made(executionArn, 'executionArn'), startedAt });
    const job = await catalog.getJob({ source: String(input['source']), id });
    if (execution.status !== 'RUNNING') return ended(job, execution);
    display.update(progressOf(job));
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}

/** The live line. */
export function progressOf(job: Job | undefined): string {
  if (job?.state !== 'running') return 'claiming the source';
  const done = job.progress;
  if (done === undefined || !isMovingRows(done)) return describeActivity(job.kind, done);
  const left = done.secondsLeft === undefined ? '' : `, ${sayDuration(done.secondsLeft)} left`;
  return `${sayCount(done.rows)} rows, ${sayBytes(done.bytes)} at ${sayBytes(done.bytesPerSecond)}/s${left}`;
}

function ended(
  job: Job | undefined,
  execution: { status?: string | undefined; error?: string | undefined; cause?: string | undefined },
): Extract<Job, { state: 'completed' }> {
  if (execution.status === 'SUCCEEDED' && job?.state === 'completed') return job;
  if (job?.state === 'failed') {
    const hint = job.error.hint === undefined ? {} : { hint: job.error.hint };
    throw new HoldfastError(errorCodeByName(job.error.code) ?? 'INTERNAL', job.error.message, hint);
  }
  const reason =
    job?.state === 'skipped' ? job.reason : `${execution.error ?? ''} ${execution.cause ?? ''}`.trim();
  throw new HoldfastError('SANDBOX', `the execution ended as ${execution.status}: ${reason}`);
}
