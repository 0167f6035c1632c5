import { afterAll, beforeAll, describe } from 'vitest';
import { describeDisturbances } from './disturbances.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { describeKills } from './kills.ts';
import { describePassword } from './password.ts';
import { describeRegions } from './regions.ts';

let deployment: Deployment;

beforeAll(async () => {
  deployment = await startDeployment();
}, 300_000);
afterAll(() => deployment?.close());

// Each to a source of its own and all at the same time; the longest first.
describe.concurrent('a backup that is disturbed', { timeout: 240_000 }, () => {
  describeKills(() => deployment);
  describeDisturbances(() => deployment);
  describePassword(() => deployment);
});
describeRegions(() => deployment);
