import type { Command } from 'commander';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createProgram } from './program.ts';
import { runCli } from './testing/run-cli.ts';

/** Commands that do something, with the words that call them. */
function leaves(command: Command, words: readonly string[] = []): [string, Command][] {
  const inner = command.commands.filter((child) => child.name() !== 'help');
  if (inner.length === 0) return [[words.join(' '), command]];
  return inner.flatMap((child) => leaves(child, [...words, child.name()]));
}

const commands = leaves(createProgram());

describe('holdfast', () => {
  it('has the commands of the contract', () => {
    expect(commands.map(([words]) => words).toSorted()).toEqual(
      [
        ['backup', 'catalog rebuild', 'doctor', 'jobs', 'plan check', 'plan schema', 'recovery-points'],
        ['restore', 'restore-test', 'status', 'verify'],
        ['canary install', 'canary remove', 'canary status'],
        ['local canary install', 'local canary remove', 'local canary status', 'local canary write'],
        ['local backup', 'local list', 'local restore', 'local verify'],
        ['sandbox down', 'sandbox kill-region', 'sandbox reset', 'sandbox revive-region'],
        ['sandbox status', 'sandbox up'],
      ]
        .flat()
        .toSorted(),
    );
  });

  it.each(commands)('%s takes --json and shows an example', (words, command) => {
    expect(command.options.map((option) => option.long)).toContain('--json');
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    expect(help).toMatch(new RegExp(`Examples?:\n +\\$ [^\n]*holdfast ${words}`));
  });

  it('marks in the help what has to be there', async () => {
    const { stdout } = await runCli(['local', 'restore', '--help']);
    const help = stdout.replaceAll(/\s+/g, ' ');
    expect(help).toMatch(/--vault <place> [^-]*\(required\)/);
    expect(help).toMatch(/--source <name> name of the source in the vault \(default: the only one\) --to/);
  });

  it('says in the help of doctor which Regions are asked', async () => {
    const { stdout } = await runCli(['doctor', '--help']);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      '--region <region> ask this Region alone (default: both of the plan',
    );
  });

  it('shows help without loading an engine or the AWS SDK', async () => {
    const folder = path.resolve(import.meta.dirname);
    const eager = [
      'main.ts',
      'program.ts',
      'command.ts',
      'run-command.ts',
      'local-program.ts',
      'local-canary-program.ts',
      'deployed-program.ts',
      'sandbox-program.ts',
      'progress.ts',
    ];
    for (const file of eager) {
      const imports = fs
        .readFileSync(path.join(folder, file), 'utf8')
        .matchAll(/^import (?!type)[^;]*from '([^']+)';/gm);
      for (const [, name] of imports)
        expect(name).not.toMatch(/aws|zod|yaml|engines|vault|catalog|jobs|sandbox\//);
    }
    const help = await runCli(['--help']);
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain('holdfast local backup');
    expect((await runCli(['--version'])).stdout).toBe('0.1.0\n');
    const nothing = await runCli([]);
    expect([nothing.code, nothing.stdout]).toEqual([2, '']);
    expect(nothing.stderr).toContain('a command is missing after holdfast; allowed are plan,');
  });

  it.each<[args: string, message: string, hint: string]>([
    ['local verfy x', 'holdfast local has no command "verfy"', 'did you mean holdfast local verify?'],
    ['help jbos', 'holdfast has no command "jbos"; allowed are plan,', 'did you mean holdfast jobs?'],
    [
      'local --json',
      'a command is missing after holdfast local; allowed are canary, backup',
      'usage: holdfast local',
    ],
    [
      'plan check --plan x',
      'holdfast plan check has no option --plan; allowed are',
      'usage: holdfast plan check',
    ],
    ['local list --vualt x', 'holdfast local list has no option --vualt', 'did you mean --vault?'],
    [
      'local backup',
      'holdfast local backup needs --url <url> and --vault <place> and --source <name>',
      'usage:',
    ],
    [
      'local verify',
      'holdfast local verify needs --vault <place>',
      'usage: holdfast local verify [options] <id>',
    ],
    ['restore', 'holdfast restore needs --to <target>', 'usage: holdfast restore [options] <id>'],
  ])('%s is told what is allowed and how that very command is used', async (args, message, hint) => {
    const result = await runCli([...args.split(' '), '--json']);
    expect([result.code, result.json().error.code]).toEqual([2, 'USAGE']);
    expect(result.json().error.message).toContain(message);
    expect(result.json().error.hint).toContain(hint);
  });

  it.skipIf(!fs.existsSync('/dev/full'))(
    'says that its output has no room, and minds no reader who leaves',
    async () => {
      const shell = (line: string) =>
        promisify(execFile)('sh', [
          '-c',
          line,
          process.execPath,
          path.join(import.meta.dirname, 'holdfast.mjs'),
        ]);
      await expect(shell('"$0" "$1" plan schema > /dev/full')).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^error: cannot write to standard output: .*\(DISK_FULL\)\nhint: [^\n]*\n$/,
        ),
      });
      expect(await shell('"$0" "$1" plan schema | head -1')).toMatchObject({ stdout: '{\n', stderr: '' });
    },
  );

  it('checks plans: 0 when sound, 2 with all problems, as text and as JSON', async () => {
    const examples = path.resolve(import.meta.dirname, '../examples');
    const good = await runCli(['plan', 'check', path.join(examples, 'acme.yaml'), '--json']);
    expect([good.code, good.json()]).toMatchObject([0, { ok: true, name: 'acme', sources: ['shop-db'] }]);
    const bad = await runCli(['plan', 'check', path.resolve(import.meta.dirname, '../package.json')]);
    expect([bad.code, bad.stdout]).toEqual([2, '']);
    expect(bad.stderr).toMatch(/package\.json:\d+:\d+: [^]*package\.json:\d+:\d+: /);
    const json = (
      await runCli(['plan', 'check', path.resolve(import.meta.dirname, '../package.json'), '--json'])
    ).json();
    expect(json.error.code).toBe('PLAN_INVALID');
    expect(json.error.problems.length).toBeGreaterThan(5);
    const absent = (await runCli(['plan', 'check', 'nope.yaml', '--json'])).json();
    expect(absent.error).toMatchObject({
      code: 'PLAN_INVALID',
      hint: expect.stringContaining('plan check FILE'),
    });
    const schema = await runCli(['plan', 'schema']);
    expect(schema.json()).toMatchObject({ type: 'object', additionalProperties: false });
  });
});
