import { afterAll, beforeAll } from 'vitest';
import { describeDisturbances } from './disturbances.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { describeRegions } from './regions.ts';

let deployment: Deployment;

beforeAll(async () => {
  deployment = await startDeployment();
}, 300_000);
afterAll(() => deployment?.close());

describeDisturbances(() => deployment);
describeRegions(() => deployment);
