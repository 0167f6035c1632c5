import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedAssembly } from './assembly-cache.ts';

let cache: string;
beforeEach(() => {
  cache = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-assembly-')), 'cache');
});
afterEach(() => fs.rmSync(path.dirname(cache), { recursive: true, force: true }));

const write = (text: string) => async (folder: string) => {
  // As long as cdk synth takes, in small: others begin and end meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 20));
  fs.writeFileSync(path.join(folder, 'manifest.json'), text);
};
const read = (folder: string) => fs.readFileSync(path.join(folder, 'manifest.json'), 'utf8');
const never = () => Promise.reject(new Error('made again'));

describe('cachedAssembly', () => {
  it('makes an assembly once and gives it again for the same key only', async () => {
    const folder = await cachedAssembly(cache, 'a', write('a'));
    expect(await cachedAssembly(cache, 'a', never)).toBe(folder);
    await expect(cachedAssembly(cache, 'b', never)).rejects.toThrow('made again');
    expect(fs.readdirSync(cache)).toEqual(['a']);
  });

  it('keeps what one deployment uses while others of the same plan name come and go', async () => {
    const first = await cachedAssembly(cache, 'a', write('a'));
    const others = await Promise.all(['b', 'c', 'b'].map((key) => cachedAssembly(cache, key, write(key))));
    expect([first, ...others].map(read)).toEqual(['a', 'b', 'c', 'b']);
    expect(fs.readdirSync(cache).sort()).toEqual(['a', 'b', 'c']);
  });

  it('leaves nothing of one that failed, and tries again', async () => {
    await expect(cachedAssembly(cache, 'a', never)).rejects.toThrow('made again');
    expect(fs.readdirSync(cache)).toEqual([]);
    expect(read(await cachedAssembly(cache, 'a', write('later')))).toBe('later');
  });

  it('drops what nobody used for an hour, and what a crash left half done', async () => {
    const age = (name: string, minutes: number) => {
      fs.mkdirSync(path.join(cache, name), { recursive: true });
      const at = new Date(Date.now() - minutes * 60_000);
      fs.utimesSync(path.join(cache, name), at, at);
    };
    age('old', 61);
    age('partial-crashed', 61);
    age('recent', 59);
    await cachedAssembly(cache, 'a', write('a'));
    expect(fs.readdirSync(cache).sort()).toEqual(['a', 'recent']);
  });
});
