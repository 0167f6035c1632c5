import path from 'node:path';
import { type PostgresServer, postgresBinDirectory } from '../../sandbox/postgres/postgres-server.ts';
import type { Store } from './store.ts';

const projectRoot = path.resolve(import.meta.dirname, '../..');

/** One way to do a job, as a shell script. */
export interface Flow {
  readonly id: 'ours' | 'native' | 'documented';
  readonly name: string;
  readonly script: string;
}

export interface FlowContext {
  readonly server: PostgresServer;
  readonly store: Store;
  readonly database: string;
  readonly connections: number;
  readonly keyFile: string;
  /** Distinguishes what is stored in each round. */
  readonly round: number;
}

/** For every flow: the same client programs, the same store, the password by environment and never by argument. */
export function flowEnvironment({ server, store }: FlowContext): Record<string, string> {
  const { host, port, username, password } = server.connection;
  const node = path.join(projectRoot, 'node_modules/node/bin');
  return {
    PATH: [postgresBinDirectory(server.major), node, '/usr/local/bin', '/usr/bin', '/bin'].join(
      path.delimiter,
    ),
    LANG: 'C.UTF-8',
    HOME: path.dirname(projectRoot),
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: username,
    PGPASSWORD: password ?? '',
    BENCH_PASSPHRASE: 'bench',
    ...store.environment,
  };
}

// What `openssl enc` offers that is nearest to ours: authenticated modes are refused by its command line.
const encrypt = 'openssl enc -aes-256-ctr -pbkdf2 -iter 10000 -pass env:BENCH_PASSPHRASE';
const decrypt = `${encrypt} -d`;

const local = `node '${path.join(projectRoot, 'cli/holdfast.mjs')}' local`;
const url = ({ server }: FlowContext, database: string) =>
  `postgres://${server.connection.username}@127.0.0.1:${server.port}/${database}?sslmode=disable`;

const nativeObject = (context: FlowContext) =>
  `native-${context.database}-${context.connections}-${context.round}`;
const documentedObject = (context: FlowContext) => `documented-${context.database}-${context.round}`;
const ourVault = ({ store, database, connections, round }: FlowContext) =>
  store.vault(`ours-${database}-${connections}-${round}`);

export function backupFlows(context: FlowContext): Flow[] {
  const { database, connections, store, keyFile } = context;
  return [
    {
      id: 'ours',
      name: `holdfast, ${connections} connections`,
      script: `${local} backup --engine postgres --url '${url(context, database)}' --vault '${ourVault(context)}' --source bench --key-file '${keyFile}' --connections ${connections} --json`,
    },
    {
      id: 'native',
      name: `pg_dump -Fd -j${connections} --compress=zstd:1, then tar, openssl, upload`,
      script: `pg_dump -Fd -j${connections} --compress=zstd:1 -f dump '${database}'; tar -c dump | ${encrypt} | ${store.put(nativeObject(context))}`,
    },
    {
      id: 'documented',
      name: 'pg_dump | gzip -6 to a file, then openssl, upload',
      script: `pg_dump '${database}' | gzip -6 > dump.gz; ${encrypt} -in dump.gz -out dump.enc; ${store.put(documentedObject(context))} < dump.enc`,
    },
  ];
}

// Ours gathers the planner's statistics; neither pg_restore nor a script of pg_dump does.
const analyze = (target: string) => `vacuumdb --analyze-only --quiet -d '${target}'`;

export function restoreFlows(context: FlowContext, target: string): Flow[] {
  const { connections, store, keyFile } = context;
  return [
    {
      id: 'ours',
      name: `holdfast, ${connections} connections`,
      script: `${local} restore latest --vault '${ourVault(context)}' --source bench --key-file '${keyFile}' --to '${url(context, target)}' --connections ${connections} --json`,
    },
    {
      id: 'native',
      name: `download, openssl, tar, then pg_restore -Fd -j${connections}`,
      script: `${store.get(nativeObject(context))} | ${decrypt} | tar -x; pg_restore -j${connections} -d '${target}' dump; ${analyze(target)} -j${connections}`,
    },
    {
      id: 'documented',
      name: 'download, openssl, then gunzip | psql',
      script: `${store.get(documentedObject(context))} > dump.enc; ${decrypt} -in dump.enc -out dump.gz; gunzip -c dump.gz | psql -Xq -v ON_ERROR_STOP=1 -d '${target}'; ${analyze(target)}`,
    },
  ];
}

/** One table out of the backup of all of them. */
export function tableRestoreFlows(context: FlowContext, target: string, table: string): Flow[] {
  const [schema = '', name = ''] = table.split('.');
  const [ours, native] = restoreFlows(context, target);
  if (ours === undefined || native === undefined) return [];
  return [
    { ...ours, script: `${ours.script} --table '${table}'` },
    {
      ...native,
      name: 'download all, openssl, tar, then pg_restore -L',
      // Ours brings the schema, the indexes and the keys that the table has; so shall this.
      script: `${native.script.replace(/; pg_restore.*/, '')}; pg_restore -l dump | grep -E ' (SCHEMA - ${schema}|[A-Z ]+ ${schema} ${name}[ _])' | grep -v 'FK CONSTRAINT' > list; pg_restore -j${context.connections} -L list -d '${target}' dump; ${analyze(target)} -t '${table}'`,
    },
  ];
}
