import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startAws } from './local-aws.ts';

/** Local addresses of all listening TCP sockets, as the kernel writes them (hex, little-endian). */
function listeningAddresses(): string[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
    fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A')
      .map((fields) => fields[1] ?? ''),
  );
}

describe('startAws', () => {
  it('listens on loopback only and is gone after stop', async () => {
    const before = new Set(listeningAddresses());
    const aws = await startAws();
    // Services that start late would show by now.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const port = Number(new URL(aws.endpoint).port).toString(16).toUpperCase().padStart(4, '0');
    expect(listeningAddresses()).toContain(`0100007F:${port}`);
    const everywhere = listeningAddresses().filter((address) => /^0+:/.test(address) && !before.has(address));
    expect(everywhere).toEqual([]);
    await aws.stop();
    expect(listeningAddresses()).not.toContain(`0100007F:${port}`);
    expect(fs.existsSync(aws.directory)).toBe(false);
  });
});
