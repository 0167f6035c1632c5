import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { metricNames, type MetricValue } from '../../core/jobs/metrics.ts';
import { defineHandler } from './define-handler.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** What CloudWatch would read from the function's log. */
async function published(values: readonly MetricValue[]) {
  const lines: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  const handler = defineHandler({
    name: 'finish-job',
    plan: 'acme',
    request: z.unknown(),
    reply: z.object({}),
    run: async () => ({ reply: {}, metrics: values }),
  });
  await (handler as (event: unknown) => Promise<unknown>)({});
  vi.restoreAllMocks();
  return lines
    .filter((line) => line.includes('"_aws"'))
    .map((line) => JSON.parse(line))
    .map(({ _aws, ...rest }) => ({ ...rest, dimensions: _aws.CloudWatchMetrics[0].Dimensions }));
}

describe('metrics of a handler', () => {
  it('carry exactly the dimensions that alarms ask for', async () => {
    expect(
      await published([
        { name: metricNames.backupsTotal, unit: 'Count', value: 1, source: 'shop-db' },
        { name: metricNames.peerDown, unit: 'Count', value: 0 },
      ]),
    ).toEqual([
      { dimensions: [['plan', 'source']], plan: 'acme', source: 'shop-db', backups_total: 1 },
      { dimensions: [['plan']], plan: 'acme', peer_down: 0 },
    ]);
  });
});
