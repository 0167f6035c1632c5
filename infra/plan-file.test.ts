import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { planFileOf } from './plan-file.ts';

const app = path.join(import.meta.dirname, 'bin/app.ts');
let folder: string;
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-app-')));
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('the plan that the app builds', () => {
  it('is never one that nobody named', async () => {
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      const options = { cwd: folder, env: { PATH: process.env['PATH'] } };
      execFile(process.execPath, [app], options, (error, _, said) =>
        resolve({ code: error?.code, stderr: said }),
      );
    });
    expect(code).toBe(2);
    expect(stderr).toBe(
      `no plan was given, and there is no ${path.join(folder, 'holdfast.yaml')}\nhint: name it with -c plan=FILE or in HOLDFAST_PLAN; npx holdfast plan check FILE says whether it is sound\n`,
    );
  });

  it('is the one of -c plan, before HOLDFAST_PLAN, before holdfast.yaml of the folder', () => {
    const none = { context: undefined, environment: '' };
    expect(() => planFileOf(none)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    fs.writeFileSync(path.join(folder, 'holdfast.yaml'), '');
    const named = [
      planFileOf(none),
      planFileOf({ ...none, environment: 'b.yaml' }),
      planFileOf({ context: 'a.yaml', environment: 'b.yaml' }),
    ];
    expect(named).toEqual(['holdfast.yaml', 'b.yaml', 'a.yaml'].map((name) => path.join(folder, name)));
  });
});
