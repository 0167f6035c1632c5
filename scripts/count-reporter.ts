import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with the one line that continuous integration reads: `tests: N passed, N failed, N skipped`. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && module.children.size === 0) count.failed += 1;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === 'passed') count.passed += 1;
        else if (state === 'failed') count.failed += 1;
        else count.skipped += 1;
      }
    }
    // After the default reporter's summary, so that it is the last line of the output.
    process.on('exit', () =>
      console.log(`tests: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`),
    );
  }
}
