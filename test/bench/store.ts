import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePort } from '../../sandbox/postgres/postgres-server.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');
const cache = path.join(projectRoot, '.cache/bench');
const module = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';

/** Where the bench keeps backups: a real S3 server if one can be had, else a folder. */
export interface Store {
  /** For the tables, e.g. `S3 (versitygw on loopback)`. */
  readonly description: string;
  /** `s3://bucket` or a folder. */
  readonly vault: (name: string) => string;
  /** Shell commands that store standard input and give it back. */
  readonly put: (name: string) => string;
  readonly get: (name: string) => string;
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function openStore(folder: string, wanted: 'auto' | 'directory'): Promise<Store> {
  const program = wanted === 'auto' ? s3Program() : undefined;
  if (program === undefined) return directoryStore(folder);
  return startS3(program, folder);
}

function directoryStore(folder: string): Store {
  const place = path.join(folder, 'store');
  fs.mkdirSync(place, { recursive: true });
  return {
    description: 'a folder (no S3 server was found or could be built)',
    vault: (name) => path.join(place, name),
    put: (name) => `cat > '${place}/${name}'`,
    get: (name) => `cat '${place}/${name}'`,
    environment: {},
    stop: async () => undefined,
  };
}

/** On the PATH, in the cache, or built from the Go module proxy. */
function s3Program(): string | undefined {
  const built = path.join(cache, 'bin/versitygw');
  if (fs.existsSync(built)) return built;
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    if (fs.existsSync(path.join(folder, 'versitygw'))) return path.join(folder, 'versitygw');
  }
  try {
    process.stderr.write('bench: building an S3 server (versitygw, Apache-2.0) with go, about 2 minutes …\n');
    execFileSync('go', ['install', module], {
      env: {
        ...process.env,
        GOBIN: path.join(cache, 'bin'),
        GOPATH: path.join(cache, 'go'),
        GOFLAGS: '-modcacherw',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 600_000,
    });
    fs.rmSync(path.join(cache, 'go'), { recursive: true, force: true });
    return built;
  } catch {
    return undefined;
  }
}

const bucket = 'bench';
const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench-secret' };

async function startS3(program: string, folder: string): Promise<Store> {
  const [data, versions] = [path.join(folder, 's3'), path.join(folder, 's3-versions')];
  for (const place of [data, versions]) fs.mkdirSync(place, { recursive: true });
  const port = await freePort();
  const child = spawn(
    program,
    ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--versioning-dir', versions, data],
    {
      stdio: 'ignore',
      env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    },
  );
  const endpoint = `http://127.0.0.1:${port}`;
  await makeBucket(endpoint, child);
  const pipe = `node '${path.join(import.meta.dirname, 's3-pipe.ts')}'`;
  return {
    description: 'S3 (versitygw on loopback, same machine)',
    vault: (name) => `s3://${bucket}/${name}`,
    put: (name) => `${pipe} put ${bucket} '${name}'`,
    get: (name) => `${pipe} get ${bucket} '${name}'`,
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function makeBucket(endpoint: string, server: ChildProcess): Promise<void> {
  const client = new S3Client({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
  const deadline = Date.now() + 15_000;
  for (;;) {
    try {
      // With Object Lock a bucket has versions, as every vault of ours.
      await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
      client.destroy();
      return;
    } catch (error) {
      if (Date.now() > deadline || server.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
