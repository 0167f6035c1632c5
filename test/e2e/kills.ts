import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { SFNClient, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { seededRandom } from '../../core/jobs/testing.ts';
import { sql } from '../../sandbox/drill/workload/load-shop.ts';
import { databaseOf, type Deployment, environmentOf, shotSources, until } from './deployment.ts';
import {
  attemptsOf,
  contentNow,
  expectNoPoint,
  expectPoints,
  folderOf,
  slowDown,
  underWay,
} from './disturb.ts';

/** Whole backups whose task or execution ends before its time. */
export function describeKills(deployed: () => Deployment): void {
  it('is whole or not there after kill -9 at random moments, and so is the next one', async () => {
    const { seed, next } = seededRandom();
    const moments = shotSources.map(() => ({ objects: Math.floor(next() * 15), seconds: next() }));
    const shots = await Promise.all(
      shotSources.map(async (source, index) => shoot(deployed(), source, moments[index]!)),
    );
    console.info(`moments by HOLDFAST_TEST_SEED=${seed}: ${shots.map(({ story }) => story).join('; ')}`);
    expect(shots.map(({ states }) => states)).toEqual(shotSources.map(() => ['completed', 'completed']));
  });

  it('is tried again after kill -9 in the middle of an upload, which is cleaned up', async () => {
    const { server, backUp, taskOf } = deployed();
    // One value is in one object, and this one is more than a part of it, although compressed.
    await sql(
      server,
      databaseOf('killed-db'),
      `create table shop.blobs as
         select string_agg(md5(i::text || random()), '') as body from generate_series(1, 1200000) i`,
    );
    const before = await contentNow(deployed(), 'killed-db');
    const stuck = slowDown(deployed(), 'killed-db', { operation: 'UploadPart', delayMilliseconds: 15_000 });
    const done = backUp('killed-db');
    await until(() => stuck.hits() > 0);
    process.kill(-taskOf('killed-db')!.pid, 'SIGKILL');
    stuck.remove();
    expect(await uploadsOf(deployed(), 'killed-db')).toHaveLength(1);
    const { status, job } = await done;
    expect([status, job?.state]).toEqual(['SUCCEEDED', 'completed']);
    expect(await uploadsOf(deployed(), 'killed-db')).toEqual([]);
    await expectPoints(deployed(), 'killed-db', [[job?.recoveryPointId, before]]);
  });

  it('is taken over at once when its execution died without a word', async () => {
    const { start, ended, backUp, taskOf, catalog, primary } = deployed();
    const executionArn = await start('backup', primary, { source: 'dead-db' });
    await underWay(deployed(), 'dead-db');
    process.kill(-taskOf('dead-db')!.pid, 'SIGKILL');
    await stop(deployed(), executionArn);
    const { status, job: dead } = await ended(executionArn);
    expect([status, dead?.state]).toEqual(['ABORTED', 'running']);
    expect(await catalog(primary).leaseOf('dead-db')).toMatchObject({ jobId: dead?.id });
    const { job } = await backUp('dead-db');
    expect(job?.state).toBe('completed');
    expect(await catalog(primary).getJob({ source: 'dead-db', id: dead?.id ?? '' })).toMatchObject({
      state: 'failed',
      error: { code: 'TASK_KILLED', hint: expect.any(String) },
    });
    await expectPoints(deployed(), 'dead-db', [
      [job?.recoveryPointId, await contentNow(deployed(), 'dead-db')],
    ]);
  });

  it('says to whoever waits for it that it was stopped in the console, and leaves nothing visible', async () => {
    const { cli, catalog, primary, taskOf } = deployed();
    const told = cli('backup stopped-db --wait --json');
    await underWay(deployed(), 'stopped-db');
    const task = taskOf('stopped-db');
    const [running] = await catalog(primary).listJobs({ source: 'stopped-db' });
    await stop(deployed(), running?.owner ?? '');
    const { code, json } = await told;
    expect([code, json()]).toEqual([
      1,
      {
        error: {
          code: 'JOB_ABORTED',
          message: expect.stringMatching(/stop/),
          hint: expect.any(String),
          jobId: running?.id,
          executionArn: running?.owner,
        },
      },
    ]);
    await until(() => !isAlive(task!.pid));
    expect(await catalog(primary).getJob({ source: 'stopped-db', id: running?.id ?? '' })).toMatchObject({
      state: 'failed',
      error: { code: 'JOB_ABORTED' },
    });
    await expectNoPoint(deployed(), 'stopped-db');
    const again = await cli('backup stopped-db --wait');
    expect(again.code).toBe(0);
    const id = /recovery point: (\w+)/.exec(again.stdout)?.[1];
    await expectPoints(deployed(), 'stopped-db', [[id, await contentNow(deployed(), 'stopped-db')]]);
  });
}

/** One kill at one moment, told in words; then a backup of changed rows that nobody disturbs. */
async function shoot(
  deployment: Deployment,
  source: string,
  { objects, seconds }: { readonly objects: number; readonly seconds: number },
) {
  const { backUp, taskOf, server } = deployment;
  const before = await contentNow(deployment, source);
  const slow = slowDown(deployment, source, { delayMilliseconds: 200 });
  const done = backUp(source);
  await until(() => taskOf(source) !== undefined);
  const { pid } = taskOf(source)!;
  await until(() => slow.hits() >= objects || !isAlive(pid));
  // Before the first object there is more to happen than between two.
  await pause(seconds * (objects === 0 ? 2000 : 200));
  const wasAlive = isAlive(pid);
  if (wasAlive) process.kill(-pid, 'SIGKILL');
  const sent = slow.hits();
  slow.remove();
  const { status, job } = await done;
  expect([source, status]).toEqual([source, 'SUCCEEDED']);
  expect((await attemptsOf(deployment, source)).length).toBeLessThanOrEqual(wasAlive ? 2 : 1);
  await expectPoints(deployment, source, [[job?.recoveryPointId, before]]);
  await sql(server, databaseOf(source), `update shop.customers set name = 'changed' where id = 1`);
  const next = await backUp(source);
  await expectPoints(deployment, source, [
    [next.job?.recoveryPointId, await contentNow(deployment, source)],
    [job?.recoveryPointId, before],
  ]);
  const story = `${source} ${wasAlive ? `killed with ${sent} objects on their way` : 'was faster'}`;
  return { story, states: [job?.state, next.job?.state] };
}

async function uploadsOf({ s3, names, primary }: Deployment, source: string): Promise<unknown[]> {
  const Bucket = names.vaultBucket(primary);
  const { Uploads = [] } = await s3(primary).send(new ListMultipartUploadsCommand({ Bucket }));
  return Uploads.filter(({ Key }) => Key?.startsWith(folderOf(source)));
}

/** As a person does in the console. */
async function stop({ settings, primary }: Deployment, executionArn: string): Promise<void> {
  await new SFNClient(settings(primary)).send(new StopExecutionCommand({ executionArn }));
}

function isAlive(pid: number): boolean {
  return environmentOf(pid).length > 1;
}
