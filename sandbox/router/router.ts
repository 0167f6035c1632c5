import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type net from 'node:net';
import { type CallCount, CallLedger } from './call-ledger.ts';
import { Faults, type FaultRule } from './faults.ts';
import { type RequestScope, readRequestScope } from './request-scope.ts';

/**
 * The only endpoint that clients in the sandbox get. It knows Region and service of every call from its signature, counts
 * and disturbs calls, and cuts off a whole Region. Bodies stream through; nothing is buffered.
 */
export interface Router {
  readonly port: number;
  readonly endpoint: string;
  readonly faults: Faults;
  /** Calls passed on or disturbed since the last reset, by `region/service/operation`. */
  counts(): Readonly<Record<string, number>>;
  /** Calls that ended since the last reset: who made them and what became of them. */
  calls(): readonly CallCount[];
  /** Forgets both. */
  resetCounts(): void;
  /** Connections of that Region are reset, now and from now on, until `reviveRegion`. */
  killRegion(region: string): void;
  reviveRegion(region: string): void;
  deadRegions(): readonly string[];
  close(): Promise<void>;
}

export interface RouterOptions {
  /** Where the emulator listens. */
  readonly upstream: string;
  /** @default a free one */
  readonly port?: number;
}

export async function startRouter(options: RouterOptions): Promise<Router> {
  const state = new RouterState(new URL(options.upstream));
  const server = http.createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 }, (request, response) =>
    state.serve(request, response),
  );
  // An answer like 100-continue must come from here: the SDK waits for it before it sends an object's bytes.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    response.writeContinue();
    state.serve(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    faults: state.faults,
    counts: () => Object.fromEntries(state.counts),
    calls: () => state.ledger.list(),
    resetCounts: () => {
      state.counts.clear();
      state.ledger.clear();
    },
    killRegion: (region) => state.killRegion(region),
    reviveRegion: (region) => void state.dead.delete(region),
    deadRegions: () => [...state.dead],
    close: async () => {
      state.agent.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

class RouterState {
  readonly faults = new Faults();
  readonly counts = new Map<string, number>();
  readonly ledger = new CallLedger();
  readonly dead = new Set<string>();
  readonly agent = new http.Agent({ keepAlive: true, maxSockets: 512 });
  readonly #upstream: URL;
  readonly #inFlight = new Map<net.Socket, RequestScope>();

  constructor(upstream: URL) {
    this.#upstream = upstream;
  }

  killRegion(region: string): void {
    this.dead.add(region);
    for (const [socket, scope] of this.#inFlight) if (scope.region === region) socket.resetAndDestroy();
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const scope = readRequestScope(request);
    const key = `${scope.region}/${scope.service}/${scope.operation}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    if (this.#isRefused(request, scope)) return;
    const fault = this.faults.take(scope);
    switch (fault?.effect) {
      case 'reset':
        this.ledger.record(scope, 'cutOff');
        request.socket.resetAndDestroy();
        return;
      case 'throttle':
      case 'error':
      case 'deny':
      case 'expired':
      case 'missing':
        this.ledger.record(scope, 'answered');
        refuse(request, response, { ...fault, service: scope.service });
        return;
      case 'delay':
        setTimeout(() => {
          // The Region may have been switched off meanwhile.
          if (!this.#isRefused(request, scope)) this.#pass(request, response, scope);
        }, fault.delayMilliseconds ?? 1_000);
        return;
      default:
        this.#pass(request, response, scope, fault?.effect === 'lostReply');
    }
  }

  #isRefused(request: IncomingMessage, scope: RequestScope): boolean {
    if (!this.dead.has(scope.region)) return false;
    this.ledger.record(scope, 'refused');
    request.socket.resetAndDestroy();
    return true;
  }

  // oxlint-disable-next-line max-params -- request and response are one pair
  #pass(request: IncomingMessage, response: ServerResponse, scope: RequestScope, loseReply = false): void {
    const socket = request.socket;
    this.#inFlight.set(socket, scope);
    response.on('close', () => {
      this.#inFlight.delete(socket);
      this.ledger.record(scope, response.writableFinished ? 'answered' : 'cutOff');
    });
    const { expect: _answeredHere, ...headers } = request.headers;
    const upstream = http.request(
      {
        host: this.#upstream.hostname,
        port: this.#upstream.port,
        method: request.method,
        path: request.url,
        headers,
        agent: this.agent,
      },
      (answer) => {
        if (loseReply) {
          answer.resume();
          answer.on('end', () => socket.resetAndDestroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
        answer.on('error', () => response.destroy());
      },
    );
    upstream.on('error', () => socket.resetAndDestroy());
    request.on('aborted', () => upstream.destroy());
    request.pipe(upstream);
  }
}

/** `json` where the dialects differ. */
const refusals: Readonly<Record<string, { status: number; code: string; json?: string }>> = {
  throttle: { status: 503, code: 'SlowDown', json: 'ThrottlingException' },
  error: { status: 500, code: 'InternalError' },
  deny: { status: 403, code: 'AccessDenied' },
  expired: { status: 400, code: 'ExpiredToken', json: 'ExpiredTokenException' },
  missing: { status: 404, code: 'NoSuchKey' },
};

/** Error bodies in both dialects: the SDKs read the code from XML (S3, query) or from the JSON's `__type`. */
function refuse(request: IncomingMessage, response: ServerResponse, fault: FaultRule): void {
  const {
    status,
    code,
    json: jsonCode = code,
  } = refusals[fault.effect] ?? { status: 500, code: 'InternalError' };
  const json = request.headers['x-amz-target'] !== undefined;
  const body = json
    ? JSON.stringify({ __type: jsonCode, message: 'fault injected by the sandbox' })
    : `<?xml version="1.0" encoding="UTF-8"?>${xmlError(code, fault.service)}`;
  request.resume();
  response.writeHead(status, {
    'content-type': json ? 'application/x-amz-json-1.0' : 'application/xml',
    connection: 'close',
  });
  response.end(body);
}

/** EC2 wraps its errors in other words than everyone: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-error-codes.html */
function xmlError(code: string, service: string | undefined): string {
  const error = (name: string) =>
    `<Error><Code>${name}</Code><Message>fault injected by the sandbox</Message></Error>`;
  if (service !== 'ec2') return error(code);
  const own = code === 'AccessDenied' ? 'UnauthorizedOperation' : code;
  return `<Response><Errors>${error(own)}</Errors><RequestID>sandbox</RequestID></Response>`;
}
