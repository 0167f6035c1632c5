import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { GetExecutionHistoryCommand, SFNClient } from '@aws-sdk/client-sfn';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { sql } from '../../sandbox/drill/workload/load-shop.ts';
import { contentOf } from './content.ts';
import { type Deployment, databaseOf, environmentOf } from './deployment.ts';
import { contentNow, expectPoints, underWay } from './disturb.ts';
import { logsOf } from './logs.ts';

const source = 'odd-db';

/** A whole backup and a whole restore with a password that every place would write in another way. */
export function describePassword(deployed: () => Deployment): void {
  it('works with a password of every special character, which shows nowhere', async () => {
    const { server, storeSecret, primary, standby, cli, catalog, vault } = deployed();
    const password = oddPassword();
    const literal = `'${password.replaceAll("'", "''")}'`;
    const role = `create role odd superuser login password ${literal}`;
    await sql(server, 'postgres', `set standard_conforming_strings = on; ${role}`);
    await sql(server, 'postgres', 'create database odd_restored template template0');
    const connectionTo = (database: string) => ({
      ...server.connectionTo(database),
      username: 'odd',
      password,
    });
    await storeSecret(primary, 'odd-db/backup', connectionTo(databaseOf(source)));
    await storeSecret(standby, 'odd-db/restored', connectionTo('odd_restored'));

    const watched = watchProcesses();
    const told = cli(`backup ${source} --wait --json`);
    await underWay(deployed(), source);
    const backup = await told;
    const id = backup.json().recoveryPointId as string;
    const restore = await cli(
      `restore ${id} --source ${source} --to odd-db-restored --region ${standby} --wait`,
    );
    const processes = watched.stop();

    expect([backup.code, restore.code]).toEqual([0, 0]);
    const places = {
      'process list': processes.commands,
      environments: processes.environments,
      'task logs': taskLogs(deployed()),
      'function logs': await logsOf(deployed(), [primary, standby]),
      'execution histories': await histories(deployed()),
      catalogue: await table(deployed()),
      manifest: JSON.stringify((await (await vault(primary)).open(source, id)).manifest),
      'command line': [backup, restore].map(({ stdout, stderr }) => stdout + stderr).join('\n'),
      'password files': passwordFiles(),
    };
    const jobs = await catalog(primary).listJobs({ source });
    const expected = {
      'process list': 'pg_restore',
      environments: `HOLDFAST_SOURCE=${source}`,
      'task logs': `"source":"${source}"`,
      'function logs': jobs[0]!.id,
      'execution histories': source,
      catalogue: source,
      manifest: source,
      'command line': id,
      'password files': '',
    };
    for (const [place, text] of Object.entries(places)) {
      // Proof that the place was looked at.
      expect(text, place).toContain(expected[place as keyof typeof places]);
      for (const form of formsOf(password)) expect(text.includes(form), place).toBe(false);
    }
    const content = await contentNow(deployed(), source);
    expect(await contentOf(server, 'odd_restored')).toEqual(content);
    await expectPoints(deployed(), source, [[id, content]]);
  });
}

function taskLogs({ sandbox }: Deployment): string {
  const directory = path.join(sandbox.directory, 'containers');
  const files = fs.readdirSync(directory).filter((name) => name.endsWith('.log'));
  return files.map((name) => fs.readFileSync(path.join(directory, name), 'utf8')).join('\n');
}

/** Those that ended tasks left behind; none should. */
function passwordFiles(): string {
  const folders = fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('holdfast-pg-'));
  return folders
    .flatMap((folder) => {
      try {
        return [fs.readFileSync(path.join(os.tmpdir(), folder, 'pgpass'), 'utf8')];
      } catch {
        return [];
      }
    })
    .join('\n');
}

/** Inputs, outputs and events of all executions that jobs of the source know. */
async function histories({ catalog, settings, primary, standby }: Deployment): Promise<string> {
  const events: unknown[] = [];
  for (const region of [primary, standby]) {
    const client = new SFNClient(settings(region));
    for (const { owner } of await catalog(region).listJobs({ source })) {
      if (owner.split(':')[3] !== region) continue;
      const command = new GetExecutionHistoryCommand({ executionArn: owner, maxResults: 1000 });
      events.push(...((await client.send(command)).events ?? []));
    }
  }
  return JSON.stringify(events);
}

async function table({ settings, primary, names }: Deployment): Promise<string> {
  const client = new DynamoDBClient(settings(primary));
  return JSON.stringify((await client.send(new ScanCommand({ TableName: names.table }))).Items);
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

/** Command lines and environments of all processes of this machine that can be seen, the tasks' among them. */
function watchProcesses(): { stop(): { commands: string; environments: string } } {
  const commands = new Set<string>();
  const environments = new Set<string>();
  let running = true;
  void (async () => {
    while (running) {
      for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          commands.add(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
        } catch {
          // It ended between the list and the look.
        }
        for (const line of environmentOf(Number(pid))) environments.add(line);
      }
      await pause(20);
    }
  })();
  return {
    stop: () => {
      running = false;
      return { commands: [...commands].join('\n'), environments: [...environments].join('\n') };
    },
  };
}
