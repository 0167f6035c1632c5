import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandsOfDocument, commandsOfSources, documents, type NamedCommand, root } from './commands.ts';
import { change, problemsOf as problemsOfPlan } from '../../core/plan/testing.ts';
import { problemsOf } from './known-commands.ts';

const problems = (commands: readonly NamedCommand[]) =>
  commands.flatMap((one) => problemsOf(one).map((problem) => `${one.where}: ${problem} (${one.text})`));

describe('every command that is named', () => {
  it.each(documents)('exists, with its options, in %s', (file) => {
    expect(problems(commandsOfDocument(file))).toEqual([]);
  });

  it('exists, with its options, in messages and hints', () => {
    const commands = commandsOfSources();
    expect(commands.length).toBeGreaterThan(60);
    expect(problems(commands)).toEqual([]);
  });

  it('would be missed if it did not', () => {
    const wrong = [
      'holdfast restor latest',
      'holdfast restore latest --form shop-db',
      'holdfast local canary instal',
      'npm run drll',
      'npm run drill --keep',
      'npm run drill -- --kep',
      'cdk deply --all',
      'cdk deploy --al',
      'aws kms describe-keys --key-id x',
      'aws kms describe-key --key x',
    ];
    const found = wrong.map((text) => problemsOf({ where: 'here', kind: 'block', text }));
    expect(found.map((one) => one.length)).toEqual(wrong.map(() => 1));
  });
});

describe('what README calls not built', () => {
  const refused = (path: string, value: unknown) =>
    problemsOfPlan(change(path, value)).map(({ code, path: at }) => [code, at]);
  const said = (word: string) =>
    expect(fs.readFileSync(`${root}/README.md`, 'utf8')).toContain(`\`${word}\``);

  it.each<[word: string, path: string, value: unknown]>([
    ['failoverGroups', 'failoverGroups', {}],
    ['tenants', 'sources.shop-db.tenants', {}],
    ['regions.tertiary', 'regions.tertiary', 'eu-west-1'],
    ...['slack', 'teams', 'email', 'sms', 'pagerduty', 'webhook'].map((channel): [string, string, string] => [
      channel,
      `notifications.oncall.${channel}`,
      'x',
    ]),
  ])('is refused by plan check as such: %s', (word, path, value) => {
    said(word);
    expect(refused(path, value)).toContainEqual(['NOT_SUPPORTED_YET', path]);
  });

  it('is otherwise refused, or taken without effect', () => {
    expect(refused('sources.shop-db.schedule.incremental', 'rate(1 hour)')).toContainEqual([
      'PLAN_INVALID',
      'sources.shop-db.schedule.incremental',
    ]);
    expect(refused('sources.shop-db.retention', { daily: 7 })).toEqual([]);
  });
});

describe('what README tells whoever deploys', () => {
  it('is done with the commands of a deployment: a vault of local commands has another key', () => {
    const readme = fs.readFileSync(`${root}/README.md`, 'utf8');
    const steps = readme.slice(
      readme.indexOf('## Protect your own database'),
      readme.indexOf('## Without AWS'),
    );
    expect(steps).toContain('npx holdfast canary install shop-db');
    expect(steps).not.toContain('holdfast local');
  });
});

const slugs = (file: string) =>
  [
    ...fs
      .readFileSync(path.join(root, file), 'utf8')
      .replaceAll(/^```[^]*?^```/gm, '')
      .matchAll(/^#+ (.+)$/gm),
  ].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('every link and path', () => {
  it.each(documents)('leads somewhere in %s', (file) => {
    const text = fs.readFileSync(path.join(root, file), 'utf8').replaceAll(/^```[^]*?^```/gm, '');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const dead = links.filter((link) => {
      if (link.startsWith('https://')) return false;
      const [to = '', anchor] = link.split('#');
      const target = to === '' ? file : path.join(path.dirname(file), to);
      if (!fs.existsSync(path.join(root, target))) return true;
      return anchor !== undefined && !slugs(target).includes(anchor);
    });
    expect(dead).toEqual([]);
  });

  it.each(documents)('is there when %s names it in code', (file) => {
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    const named = [
      ...text.matchAll(
        /`((?:cli|core|docs|examples|infra|lambdas|sandbox|scripts|statemachines|tasks|test|changelog)\/[\w./-]*)`/g,
      ),
    ];
    const gone = named
      .map(([, name = '']) => name)
      .filter((name) =>
        [root, path.join(root, path.dirname(file))].every((from) => !fs.existsSync(path.join(from, name))),
      );
    expect(gone).toEqual([]);
  });
});
