import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', '.cache/**', 'out/**', 'cdk.out/**'],
    // Two cores: more workers than that only make the real servers under test slower.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    reporters: process.env['CI'] === 'true' ? ['default', './scripts/count-reporter.ts'] : ['default'],
  },
});
