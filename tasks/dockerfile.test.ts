import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { postgresMajors } from '../core/plan/names.ts';

const root = path.resolve(import.meta.dirname, '..');
const text = fs.readFileSync(path.join(root, 'tasks/Dockerfile'), 'utf8');
const instructions = text
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '');

describe('tasks/Dockerfile', () => {
  it('copies only what is there', () => {
    const copies = instructions.filter((line) => line.startsWith('COPY ') && !line.includes('--from='));
    const sources = copies.flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(sources.length).toBeGreaterThan(3);
    expect(sources.filter((source) => !fs.existsSync(path.join(root, source)))).toEqual([]);
  });

  it('lets everything through that it copies and nothing else', () => {
    const ignore = fs.readFileSync(path.join(root, 'tasks/Dockerfile.dockerignore'), 'utf8').split('\n');
    expect(ignore[0]).toBe('*');
    expect(ignore.filter((line) => line.startsWith('!')).toSorted()).toEqual([
      '!core',
      '!package-lock.json',
      '!package.json',
      '!tasks',
    ]);
  });

  it('is built on the base that it is given, and names a default once', () => {
    expect(instructions.filter((line) => line.startsWith('FROM '))).toEqual([
      'FROM ${NODE_IMAGE} AS packages',
      'FROM ${NODE_IMAGE}',
    ]);
    expect(instructions[0]).toMatch(/^ARG NODE_IMAGE=public\.ecr\.aws\/docker\/library\/node:24-/);
  });

  it('ends as a user without rights, after the last command that needs them', () => {
    const users = instructions.filter((line) => line.startsWith('USER '));
    expect(users).toEqual(['USER node']);
    expect(instructions.indexOf('USER node')).toBeGreaterThan(
      instructions.findLastIndex((line) => /^(RUN|COPY)/.test(line)),
    );
  });

  it('has the clients of every major, zstd and an entry point that exists', () => {
    for (const major of postgresMajors) expect(text).toContain(`postgresql-client-${major}`);
    expect(text).toMatch(/\bzstd\b/);
    const [, program = ''] = /ENTRYPOINT \["node", "([^"]+)"\]/.exec(text) ?? [];
    expect(fs.existsSync(path.join(root, program))).toBe(true);
  });

  it('is started with the names of tasks only', () => {
    const run = spawnSync(process.execPath, [path.join(root, 'tasks/run.mjs'), '../evil'], {
      encoding: 'utf8',
    });
    expect(run.status).toBe(2);
    expect(run.stderr).toContain('there are postgres-backup, postgres-restore');
  });
});
