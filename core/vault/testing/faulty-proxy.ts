import http from 'node:http';
import type net from 'node:net';

/**
 * `pass`; `reset`: the connection breaks before the server heard anything; `lose-reply`: the server does it and the answer
 * is lost; `cut-reply`: the answer breaks off in the middle of its body; an answer made up in the server's place; or the
 * request altered on its way.
 */
export type Fault =
  | 'pass'
  | 'reset'
  | 'lose-reply'
  | 'cut-reply'
  | { readonly status: number; readonly body: string }
  | { readonly path?: string; readonly headers?: Readonly<Record<string, string>> };

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly count: number;
  readonly headers: Readonly<http.IncomingHttpHeaders>;
}

export interface FaultyProxy {
  readonly endpoint: string;
  /** Decides for each request; `count` is the number of requests so far. */
  rule: (request: ProxiedRequest) => Fault;
  requests: number;
  stop(): Promise<void>;
}

/** A network between a client and a server on loopback that does what a test says. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const upstream = new URL(target);
  const sockets = new Set<net.Socket>();
  const server = http.createServer((request, response) => {
    proxy.requests += 1;
    const { method = '', url: path = '' } = request;
    const fault = proxy.rule({ method, path, count: proxy.requests, headers: request.headers });
    if (fault === 'reset') return void request.socket.resetAndDestroy();
    if (typeof fault === 'object' && 'status' in fault) {
      request.resume();
      return void request.on('end', () => response.writeHead(fault.status).end(fault.body));
    }
    const altered = typeof fault === 'object' ? fault : {};
    const options = {
      host: upstream.hostname,
      port: upstream.port,
      method,
      path: altered.path ?? path,
      headers: { ...request.headers, ...altered.headers },
    };
    const forwarded = http.request(options, (answer) => {
      if (fault === 'lose-reply') {
        answer.resume();
        return void answer.on('end', () => request.socket.resetAndDestroy());
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault !== 'cut-reply') return void answer.pipe(response);
      // The first piece gets through, then the line is dead.
      answer.once('data', (piece: Buffer) => {
        response.write(piece.subarray(0, Math.ceil(piece.length / 2)), () =>
          request.socket.resetAndDestroy(),
        );
      });
    });
    forwarded.on('error', () => request.socket.destroy());
    request.pipe(forwarded);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const proxy: FaultyProxy = {
    endpoint: '',
    rule: () => 'pass',
    requests: 0,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  return Object.assign(proxy, { endpoint: `http://127.0.0.1:${port}` });
}
