import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Plugin } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleFunction } from './bundle-function.ts';

let folder: string;
let entry: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bundle-'));
  entry = path.join(folder, 'handler.ts');
  fs.writeFileSync(entry, "export { text as handler } from './text.ts';");
  write('first');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const write = (text: string) =>
  fs.writeFileSync(path.join(folder, 'text.ts'), `export const text = ${JSON.stringify(text)};`);
const bundled = () => fs.readFileSync(path.join(folder, 'one/index.mjs'), 'utf8');

/** Runs `change` when everything was read and the bundle is made, with how often that was. */
const afterReading = (change: (build: number) => void): Plugin => {
  let builds = 0;
  return { name: 'change-source', setup: ({ onEnd }) => onEnd(() => void change((builds += 1))) };
};
const bundle = (...plugins: Plugin[]) => bundleFunction({ entry, folder, name: 'one', plugins });

describe('bundleFunction', () => {
  it('builds again when a source changes during the build', async () => {
    await bundle(afterReading((build) => (build === 1 ? write('second') : undefined)));
    expect(bundled()).toContain('second');
    expect(bundled()).not.toContain('first');
  });

  it('builds again after a source that changed back', async () => {
    await bundle();
    write('second');
    await bundle(afterReading((build) => (build === 1 ? write('first') : undefined)));
    expect(bundled()).toContain('first');
  });

  it('leaves the old bundle, judged stale, when the sources do not come to rest', async () => {
    await bundle();
    write('second');
    await expect(bundle(afterReading((build) => write(`change ${build}`)))).rejects.toThrow(
      'changed during each of 3 builds',
    );
    expect(bundled()).toContain('first');
    await bundle();
    expect(bundled()).toContain('change 3');
  });

  it('judges a bundle stale that another build put beside its stamp', async () => {
    await bundle();
    const old = bundled();
    write('second');
    await bundle();
    fs.writeFileSync(path.join(folder, 'one/index.mjs'), old);
    await bundle();
    expect(bundled()).toContain('second');
  });

  it('refuses a bundle beyond the limit and writes nothing', async () => {
    write('x'.repeat(1_500_000));
    await expect(bundle()).rejects.toThrow('allowed are at most 1500000');
    expect(fs.existsSync(path.join(folder, 'one'))).toBe(false);
  });
});
