import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { GetExecutionHistoryCommand, SFNClient } from '@aws-sdk/client-sfn';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sql } from '../../sandbox/drill/workload/load-shop.ts';
import type { FaultRule } from '../../sandbox/router/faults.ts';
import { databaseOf, type Deployment, environmentOf, until } from './deployment.ts';

const patience = 240_000;

/** Whole backups that something happens to, each to a source of its own and all at the same time. */
export function describeDisturbances(deployed: () => Deployment): void {
  const folder = (source: string) => `v1/${source}/`;
  const disturb = (rule: FaultRule) => deployed().sandbox.faults.add({ service: 's3', ...rule });
  const hits = (rule: number) => deployed().sandbox.faults.hits(rule);

  /** Stores a few objects, slowly, and says when the first of them is on its way. */
  async function underWay(source: string): Promise<void> {
    const slow = disturb({
      operation: 'PutObject',
      path: folder(source),
      effect: 'delay',
      delayMilliseconds: 500,
      first: 3,
    });
    await until(() => hits(slow) > 0);
  }

  /** What vault and catalogue say of a source is the same, and all of it can be restored. */
  async function expectPoints(source: string, ids: readonly (string | undefined)[]): Promise<void> {
    const { primary } = deployed();
    const vault = await deployed().vault(primary);
    const listed = (await vault.list(source)).map(({ manifest, state }) => [manifest.id, state]);
    expect(listed).toEqual(ids.map((id) => [id, 'available']));
    const recorded = await deployed().catalog(primary).listRecoveryPoints({ source });
    expect(recorded.map(({ id, state }) => [id, state])).toEqual(ids.map((id) => [id, 'protected']));
    for (const id of ids) {
      expect(await vault.verify(source, id ?? '', { deep: true })).toMatchObject({ ok: true, problems: [] });
    }
  }

  const foldersOf = async (source: string) => {
    const { primary, names } = deployed();
    const command = new ListObjectVersionsCommand({
      Bucket: names.vaultBucket(primary),
      Prefix: folder(source),
    });
    const { Versions } = await deployed().s3(primary).send(command);
    return new Set((Versions ?? []).map(({ Key }) => Key?.split('/')[2]));
  };

  describe.concurrent('a backup that is disturbed', { timeout: patience }, () => {
    it('goes on where it was after the vault reset every connection for 30 s', async () => {
      const done = deployed().backUp('cut-db');
      await underWay('cut-db');
      const cut = disturb({ path: folder('cut-db'), effect: 'reset', until: Date.now() + 30_000 });
      const { status, job } = await done;
      expect([status, job?.state]).toEqual(['SUCCEEDED', 'completed']);
      expect(hits(cut)).toBeGreaterThan(3);
      await expectPoints('cut-db', [job?.recoveryPointId]);
      // No second attempt: that one would have written below an id of its own.
      expect(await foldersOf('cut-db')).toEqual(new Set([job?.recoveryPointId]));
    });

    it('fails, is recorded and shows no point when the vault refuses it, and the next one succeeds', async () => {
      const { catalog, primary, vault, backUp } = deployed();
      const rule = disturb({ path: folder('denied-db'), effect: 'deny' });
      const failed = await backUp('denied-db');
      deployed().sandbox.faults.remove(rule);
      expect([failed.status, failed.error]).toEqual(['FAILED', 'VaultAccessDenied']);
      expect(failed.job).toMatchObject({ state: 'failed', error: { code: 'VAULT_ACCESS_DENIED' } });
      expect(await catalog(primary).listRecoveryPoints({ source: 'denied-db' })).toEqual([]);
      await expect((await vault(primary)).list('denied-db')).rejects.toMatchObject({
        code: 'SOURCE_NOT_FOUND',
      });
      expect(await catalog(primary).leaseOf('denied-db')).toBeUndefined();
      const { status, job } = await backUp('denied-db');
      expect([status, job?.state]).toEqual(['SUCCEEDED', 'completed']);
      await expectPoints('denied-db', [job?.recoveryPointId]);
    });

    it('runs once when two executions start for the same scheduled time', async () => {
      const input = { source: 'twice-db', scheduledFor: '2026-11-02T02:00:00Z' };
      const { run, primary } = deployed();
      const both = await Promise.all([run('backup', primary, input), run('backup', primary, input)]);
      expect(both.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
      const [made, skipped] = both.map(({ job }) => job).toSorted((a, b) => (a!.state < b!.state ? -1 : 1));
      expect([made?.state, skipped?.state]).toEqual(['completed', 'skipped']);
      expect(skipped).toMatchObject({ runningJobId: made?.id });
      await expectPoints('twice-db', [made?.recoveryPointId]);
    });

    it('is tried again after kill -9 of its task, and only the whole point is listed', async () => {
      const { backUp, taskOf } = deployed();
      const done = backUp('killed-db');
      await underWay('killed-db');
      const stuck = disturb({
        operation: 'PutObject',
        path: folder('killed-db'),
        effect: 'delay',
        delayMilliseconds: 15_000,
      });
      await until(async () => hits(stuck) > 0 && (await foldersOf('killed-db')).size > 0);
      const task = taskOf('killed-db');
      expect(task).toBeDefined();
      process.kill(-task!.pid, 'SIGKILL');
      deployed().sandbox.faults.remove(stuck);
      const first = await done;
      expect([first.status, first.job?.state]).toEqual(['SUCCEEDED', 'completed']);
      await expectPoints('killed-db', [first.job?.recoveryPointId]);
      const written = await foldersOf('killed-db');
      expect(written.size).toBe(2);
      const next = await backUp('killed-db');
      expect(next.job?.state).toBe('completed');
      await expectPoints('killed-db', [next.job?.recoveryPointId, first.job?.recoveryPointId]);
    });

    it('makes its point once when the reply to the manifest is lost', async () => {
      const rule = disturb({
        operation: 'PutObject',
        path: /v1\/reply-db\/.*manifest\.json/,
        effect: 'lostReply',
        first: 1,
      });
      const { status, job } = await deployed().backUp('reply-db');
      expect([status, job?.state, hits(rule)]).toEqual(['SUCCEEDED', 'completed', 1]);
      await expectPoints('reply-db', [job?.recoveryPointId]);
      expect((await foldersOf('reply-db')).size).toBe(1);
    });

    it('works with a password of every special character, which shows nowhere', async () => {
      const { server, storeSecret, primary, start, ended, taskOf } = deployed();
      const password = oddPassword();
      const literal = `'${password.replaceAll("'", "''")}'`;
      await sql(
        server,
        'postgres',
        `set standard_conforming_strings = on; create role odd superuser login password ${literal}`,
      );
      const connection = { ...server.connectionTo(databaseOf('odd-db')), username: 'odd', password };
      await storeSecret(primary, 'odd-db/backup', connection);
      const executionArn = await start('backup', primary, { source: 'odd-db' });
      const seen = watchProcesses(() => taskOf('odd-db')?.pid);
      await underWay('odd-db');
      const { status, job } = await ended(executionArn);
      const processes = seen.stop();
      expect([status, job?.state]).toEqual(['SUCCEEDED', 'completed']);
      expect(processes.text).toContain('pg_dump');
      const places = {
        'process list': processes.text,
        'task logs': logs(),
        'execution history': await history(executionArn),
        catalogue: await catalogue(),
        manifest: JSON.stringify(
          (await (await deployed().vault(primary)).open('odd-db', job?.recoveryPointId ?? '')).manifest,
        ),
      };
      expect(places['task logs']).toContain('"source":"odd-db"');
      expect(places['execution history']).toContain('odd-db');
      expect(places.catalogue).toContain('odd-db');
      for (const [place, text] of Object.entries(places)) {
        for (const form of formsOf(password)) expect(text.includes(form), place).toBe(false);
      }
      await expectPoints('odd-db', [job?.recoveryPointId]);
    });

    const logs = () => {
      const directory = path.join(deployed().sandbox.directory, 'containers');
      const files = fs.readdirSync(directory);
      return files.map((name) => fs.readFileSync(path.join(directory, name), 'utf8')).join('\n');
    };
    const history = async (executionArn: string) => {
      const client = new SFNClient(deployed().settings(deployed().primary));
      const command = new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 });
      return JSON.stringify((await client.send(command)).events);
    };
    const catalogue = async () => {
      const client = new DynamoDBClient(deployed().settings(deployed().primary));
      return JSON.stringify(
        (await client.send(new ScanCommand({ TableName: deployed().names.table }))).Items,
      );
    };
  });
}

/** Every printable character of ASCII that is neither letter nor digit, and some beyond. */
function oddPassword(): string {
  const ascii = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index));
  return `Kf7q${ascii.filter((character) => !/[A-Za-z0-9]/.test(character)).join('')}ä€ q7fK`;
}

/** As it is, and as JSON, an address or a password file would write it. */
function formsOf(password: string): string[] {
  return [
    password,
    JSON.stringify(password).slice(1, -1),
    JSON.stringify(JSON.stringify(password)).slice(3, -3),
    encodeURIComponent(password),
    password.replaceAll(/[\\:]/g, String.raw`\$&`),
  ];
}

/** Collects the command lines of all processes, and the environment of those that belong to a task. */
function watchProcesses(task: () => number | undefined): { stop(): { text: string } } {
  const found = new Set<string>();
  let running = true;
  void (async () => {
    while (running) {
      const group = task();
      for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const status = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
          found.add(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
          // The third field after the name in brackets is the process group.
          const own = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[2]);
          if (group !== undefined && own === group)
            for (const line of environmentOf(Number(pid))) found.add(line);
        } catch {
          // It ended between the list and the look.
        }
      }
      await pause(20);
    }
  })();
  return {
    stop: () => {
      running = false;
      return { text: [...found].join('\n') };
    },
  };
}
