import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { HoldfastError } from '../../core/errors.ts';
import { runDrill } from './run-drill.ts';
import { Terminal } from './terminal.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-run-drill-'));
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

it('says what was promised however early the drill ends', async () => {
  const stopped = AbortSignal.abort(new HoldfastError('JOB_ABORTED', 'the drill was interrupted'));
  const options = { scale: 1, outFolder: folder, keep: false, sabotage: new Set<never>(), signal: stopped };
  const silent = new Terminal(fs.createWriteStream('/dev/null') as unknown as NodeJS.WriteStream);
  const { failure, objectives } = await runDrill(options, silent);
  expect(failure?.code).toBe('JOB_ABORTED');
  expect(objectives).toEqual({ rpoSeconds: 3600, rtoSeconds: 14_400 });
  expect(fs.readFileSync(path.join(folder, 'report.html'), 'utf8')).not.toContain('promised: 0');
});
