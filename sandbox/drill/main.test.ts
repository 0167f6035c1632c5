import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = path.join(import.meta.dirname, 'main.ts');
let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-drill-usage-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The end of a call that is refused before anything is started. */
async function refusal(args: readonly string[]) {
  const run = promisify(execFile)(process.execPath, [program, ...args, '--out', folder, '--json']);
  const end = await run.then(
    () => undefined,
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  expect([end?.code, end?.stderr]).toEqual([2, '']);
  return (JSON.parse(end?.stdout ?? '') as { error: { code: string; message: string; hint?: string } }).error;
}

describe('npm run drill with arguments that do not fit', () => {
  it.each<[args: string, message: string, hint: string | undefined]>([
    ['--frob', 'has no option --frob; allowed are --source, --scale, --keep', 'usage: npm run drill'],
    ['--sorce x', 'has no option --sorce', 'did you mean --source?'],
    ['--scale 0', '--scale is "0"; allowed is a number above 0', undefined],
    ['--sabotage objekt', '--sabotage is "objekt"; allowed are object, data, region', undefined],
    [
      '--source http://h/x',
      '--source is neither a PostgreSQL URL nor a list of keyword=value',
      'it looks like postgres://',
    ],
    [
      '--source postgres://u@h/x --sabotage object,data',
      '--sabotage data damages rows of the generated shop',
      '--sabotage object or region',
    ],
    ['more', 'too many arguments', 'usage: npm run drill'],
  ])('%s', async (args, message, hint) => {
    const error = await refusal(args.split(' '));
    expect(error.code).toBe('USAGE');
    expect(error.message).toContain(message);
    expect(error.hint ?? '').toContain(hint ?? '');
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('refuses --source without its value', async () => {
    const run = promisify(execFile)(process.execPath, [program, '--source']);
    await expect(run).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('(USAGE)') });
  });
});
