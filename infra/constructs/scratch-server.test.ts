import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { scratchScript } from './scratch-server.ts';

const python = path.resolve(import.meta.dirname, '../../.cache/venv/bin/python');

/**
 * Stands for the image's entry point: while it sets up, it is a shell that does not hear the interrupt (a shell starts
 * background jobs that way); then it becomes a server that needs a moment to end. Python leaves an ignored interrupt alone
 * until the handler is there, as PostgreSQL does; Node hears it before.
 */
const entryPoint = `#!/bin/sh
echo "arguments: $*"
sleep "$SETUP_SECONDS"
exec "${python}" -c '
import os, signal, sys, time

def end(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(0.3)
    print("shut down", flush=True)
    sys.exit(0)

signal.signal(signal.SIGINT, end)
print("ready", flush=True)
time.sleep(float(os.environ["LIFE_SECONDS"]))
sys.exit(7)
'
`;

let folder: string;
let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true, force: true });
});

function start(options: { readonly setupSeconds: number; readonly lifeSeconds?: number }) {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-scratch-'));
  fs.writeFileSync(path.join(folder, 'docker-entrypoint.sh'), entryPoint, { mode: 0o755 });
  const running = spawn('/bin/sh', ['-c', scratchScript(folder)], {
    env: {
      PATH: `${folder}:/usr/bin:/bin`,
      PGPORT: '5432',
      SETUP_SECONDS: String(options.setupSeconds),
      LIFE_SECONDS: String(options.lifeSeconds ?? 60),
    },
  });
  child = running;
  let output = '';
  running.stdout.on('data', (data: Buffer) => (output += data.toString()));
  return {
    askToStop: () => fs.writeFileSync(path.join(folder, 'stop'), ''),
    terminate: () => running.kill('SIGTERM'),
    ready: async () => {
      while (!output.includes('ready')) await new Promise((resolve) => setTimeout(resolve, 50));
    },
    ended: new Promise<{ code: number | null; output: string }>((resolve) =>
      running.once('close', (code) => resolve({ code, output })),
    ),
  };
}

describe('the scratch server', () => {
  it('ends with 0 when the main container asks, and listens on loopback alone', async () => {
    const server = start({ setupSeconds: 0 });
    await server.ready();
    server.askToStop();
    const { code, output } = await server.ended;
    expect([code, output]).toEqual([0, expect.stringContaining('shut down')]);
    expect(output).toContain('-c listen_addresses=127.0.0.1 -c port=5432');
  });

  it('ends with 0 when it is asked before it is set up, and terminated meanwhile', async () => {
    const server = start({ setupSeconds: 2 });
    server.askToStop();
    setTimeout(server.terminate, 1200);
    const { code, output } = await server.ended;
    expect([code, output]).toEqual([0, expect.stringContaining('shut down')]);
  });

  it('ends with 0 when the task is stopped', async () => {
    const server = start({ setupSeconds: 0 });
    await server.ready();
    server.terminate();
    expect((await server.ended).code).toBe(0);
  });

  it("ends with the server's own code when that dies", async () => {
    expect((await start({ setupSeconds: 0, lifeSeconds: 0.2 }).ended).code).toBe(7);
  });
});
