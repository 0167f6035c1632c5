import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const layers = ['core', 'infra', 'lambdas', 'tasks', 'cli', 'sandbox', 'test'];

async function cruise(folders: readonly string[]): Promise<{ violations: string[]; modules: number }> {
  const program = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [
    program,
    '--config',
    path.join(root, '.dependency-cruiser.mjs'),
    '--output-type',
    'json',
    ...folders,
  ];
  const output = await promisify(execFile)(process.execPath, args, { cwd: root, maxBuffer: 256 << 20 }).catch(
    // A finding is told by the exit code; the report is on stdout all the same.
    (error: { stdout: string }) => error,
  );
  const report = JSON.parse(output.stdout) as {
    modules: unknown[];
    summary: { violations: { rule: { name: string }; from: string; to: string }[] };
  };
  return {
    violations: report.summary.violations.map((v) => `${v.rule.name}: ${v.from} → ${v.to}`),
    modules: report.modules.length,
  };
}

describe('import rules', () => {
  it('holds in every layer', async () => {
    const report = await cruise(layers);
    expect(report.violations).toEqual([]);
    expect(report.modules).toBeGreaterThan(50);
  });
});
