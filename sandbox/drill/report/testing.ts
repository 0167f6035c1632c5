import type { DrillReport } from '../report.ts';

/** A report as a drill on a laptop gives it; parts can be replaced. */
export function exampleReport(changes: Partial<DrillReport> = {}): DrillReport {
  const step = (
    [name, place, beganAt, seconds]: readonly [string, DrillReport['steps'][number]['place'], number, number],
    detail: string,
  ) => ({ name, place, beganAt, seconds, ok: true, detail });
  return {
    ok: true,
    startedAt: '2026-11-21T10:00:00.000Z',
    seconds: 151.2,
    regions: { primary: 'us-east-1', standby: 'us-west-2' },
    steps: [
      step(['start the sandbox', 'here', 0, 2.1], 'two Regions behind http://127.0.0.1:4566'),
      step(['deploy into both Regions', 'both', 2.1, 38.4], '5 stacks by cdk deploy, properties read back'),
      step(
        ['load the shop and begin writing', 'here', 2.1, 15.9],
        '259 MB in PostgreSQL 18.6, 50 orders a second',
      ),
      step(['first backup', 'primary', 40.6, 16.2], '1 382 221 rows, 212 MB, protected'),
      step(['second backup', 'primary', 57, 15.1], '1 383 040 rows, 212 MB, protected'),
      step(['disaster', 'primary', 74.2, 0.4], 'Region off, database killed, data directory deleted'),
      step(
        ['rebuild the catalogue', 'standby', 74.6, 1.2],
        '2 recovery points, the latest protected one chosen',
      ),
      step(['make a fresh PostgreSQL', 'standby', 75.8, 2], 'PostgreSQL 18.6'),
      step(['restore', 'standby', 77.8, 31.4], '1 383 040 rows'),
      step(['validate', 'standby', 109.2, 5.8], '12 checks held'),
      step(['restore test of the other point', 'standby', 115, 33], 'PASSED, torn down'),
      step(['shut down', 'here', 148, 3.2], 'no process left'),
    ],
    objectives: { rpoSeconds: 3600, rtoSeconds: 14_400 },
    measured: {
      rpoSeconds: 15.4,
      rtoSeconds: 40.8,
      rows: 1_383_040,
      bytes: 212_400_000,
      storedBytes: 51_200_000,
    },
    lost: { acknowledged: 2816, missing: 752 },
    checks: [
      { name: 'row counts', ok: true, detail: '10 tables have the rows that were counted in the source' },
      { name: 'every order total is the sum of its items', ok: true, detail: 'holds for every row' },
      { name: 'newest canary carries a valid signature', ok: true, detail: 'canary 41' },
    ],
    schemaVersion: 1,
    source: { name: 'shop-db', kind: 'workload', server: 'PostgreSQL 18.6', databaseBytes: 258_873_023 },
    moments: { writesBeganAt: 18, killedAt: 74.2, recoveredCanaryAt: 58.8, recoveredAt: 115 },
    missingRanges: [[1_000_002_064, 1_000_002_815]],
    recoveryPoints: [
      {
        id: '01KC0000000000000000000001',
        finishedAt: 55,
        rows: 1_382_221,
        bytes: 212_200_000,
        storedBytes: 51_100_000,
        usedFor: 'restore test',
      },
      {
        id: '01KC0000000000000000000002',
        finishedAt: 71,
        rows: 1_383_040,
        bytes: 212_400_000,
        storedBytes: 51_200_000,
        usedFor: 'restore',
      },
    ],
    rpoBy: 'canary',
    notChecked: [],
    notMeasured: [],
    machine: '2 cores, 24 GB',
    ...changes,
  };
}
