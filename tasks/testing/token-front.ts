import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';

/** What stands before RDS: TLS only, and a token as the password, which it checks itself before PostgreSQL hears of anybody. */
export interface TokenFront {
  readonly port: number;
  /** Every password that came, in order. */
  readonly passwords: readonly string[];
  /** Connections that did not ask for TLS. */
  readonly plain: () => number;
  stop(): Promise<void>;
}

export interface TokenFrontOptions {
  /** A PostgreSQL on loopback that lets anyone in. */
  readonly serverPort: number;
  readonly accepts: (password: string) => boolean;
  /** For key and certificate. */
  readonly directory: string;
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const askForPassword = Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 3]);

export async function startTokenFront(options: TokenFrontOptions): Promise<TokenFront> {
  const secureContext = certificate(options.directory);
  const passwords: string[] = [];
  let plain = 0;
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const server = net.createServer(async (raw) => {
    keep(raw);
    if (!(await read(raw, 8)).equals(sslRequest)) {
      plain += 1;
      raw.destroy();
      return;
    }
    raw.write('S');
    const client = keep(new tls.TLSSocket(raw, { isServer: true, secureContext }));
    const startup = await message(client, 0);
    client.write(askForPassword);
    const password = (await message(client, 1)).subarray(5, -1).toString();
    passwords.push(password);
    if (!options.accepts(password)) {
      client.end(refusal('PAM authentication failed for user "holdfast_backup"'));
      return;
    }
    const upstream = keep(net.connect(options.serverPort, '127.0.0.1'));
    upstream.write(startup);
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    passwords,
    plain: () => plain,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** One message of the protocol: its type, if it has one, and its length come first. */
async function message(socket: net.Socket, typeBytes: 0 | 1): Promise<Buffer> {
  const head = await read(socket, typeBytes + 4);
  return Buffer.concat([head, await read(socket, head.readInt32BE(typeBytes) - 4)]);
}

async function read(socket: net.Socket, length: number): Promise<Buffer> {
  for (;;) {
    const chunk = socket.read(length) as Buffer | null;
    if (chunk !== null) return chunk;
    if (socket.readableEnded || socket.destroyed) return Buffer.alloc(length);
    await new Promise<void>((resolve) => {
      const go = () => {
        for (const event of ['readable', 'end', 'close']) socket.off(event, go);
        resolve();
      };
      for (const event of ['readable', 'end', 'close']) socket.on(event, go);
    });
  }
}

function refusal(text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C28000\0M${text}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

function certificate(directory: string): tls.SecureContext {
  const [key, cert] = [path.join(directory, 'front.key'), path.join(directory, 'front.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', cert];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files];
  execFileSync('openssl', args, { stdio: 'pipe' });
  return tls.createSecureContext({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) });
}
