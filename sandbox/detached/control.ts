import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { HoldfastError } from '../../core/errors.ts';
import { z } from 'zod';

/** What the sandbox's process says of itself. */
const statusSchema = z.object({
  /** `alive` or `dead` by Region. */
  regions: z.record(z.string(), z.enum(['alive', 'dead'])),
  /** Task containers that run now, by Region. */
  containers: z.record(z.string(), z.int()),
  /** Calls since the start by `region/service`. */
  calls: z.record(z.string(), z.int()),
});
export type ControlStatus = Readonly<z.infer<typeof statusSchema>>;

export type ControlOrder = 'status' | 'kill-region' | 'revive-region';

export interface Control {
  status(): ControlStatus;
  killRegion(region: string): Promise<void>;
  reviveRegion(region: string): Promise<void>;
}

const socketOf = (directory: string) => path.join(directory, 'control.sock');

/** Takes orders by a socket that only its owner may use; a web page cannot reach it, as it could a port. */
export async function serveControl(directory: string, control: Control): Promise<() => Promise<void>> {
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://sandbox');
    obey(control, url)
      .then((status) => response.end(JSON.stringify(status)))
      .catch((error: unknown) => {
        response.statusCode = 500;
        response.end(JSON.stringify({ message: error instanceof Error ? error.message : String(error) }));
      });
  });
  const socket = socketOf(directory);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  fs.chmodSync(socket, 0o600);
  return async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
}

async function obey(control: Control, url: URL): Promise<ControlStatus> {
  const region = url.searchParams.get('region') ?? '';
  if (url.pathname === '/kill-region') await control.killRegion(region);
  if (url.pathname === '/revive-region') await control.reviveRegion(region);
  return control.status();
}

/** @throws SANDBOX when the process does not answer or could not obey */
export async function callControl(
  directory: string,
  order: ControlOrder,
  region?: string,
): Promise<ControlStatus> {
  const { status, body } = await post(socketOf(directory), `/${order}?region=${region ?? ''}`).catch(
    (cause: unknown) => {
      throw new HoldfastError('SANDBOX', 'the sandbox does not answer', {
        cause,
        hint: 'holdfast sandbox down cleans up, also after a crash',
      });
    },
  );
  if (status === 200) return statusSchema.parse(JSON.parse(body));
  throw new HoldfastError('SANDBOX', `the sandbox could not ${order}: ${body}`);
}

async function post(socketPath: string, where: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path: where, method: 'POST', timeout: 60_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (data: string) => (body += data));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer within a minute')));
    request.on('error', reject);
    request.end();
  });
}
