import { describe, expect, it } from 'vitest';
import { ErrorLog } from './restore-errors.ts';

const failed = (message: string, command: string) => [
  `pg_restore: error: could not execute query: ERROR:  ${message}`,
  'HINT:  Something else.',
  `Command was: ${command}`,
  '    of several lines',
];
const rights = (error: string) => error.includes('permission denied');
const judge = (lines: readonly string[], denied: string[] = []) => {
  const log = new ErrorLog();
  for (const line of lines) log.add(line);
  return log.judge(rights, denied);
};
const extension = failed('permission denied to create extension "x"', 'CREATE EXTENSION IF NOT EXISTS x;');

describe('errors of pg_restore', () => {
  it('lead with the command, never with its secrets', () => {
    expect(
      judge([
        ...failed(
          'permission denied',
          "CREATE SUBSCRIPTION s CONNECTION 'host=h password=geheim' PUBLICATION p;",
        ),
        ...failed('permission denied', "CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'geheim');"),
        ...failed('permission denied for language c', 'CREATE FUNCTION public.f() RETURNS integer'),
      ]),
    ).toEqual({
      warnings: [
        'CREATE SUBSCRIPTION s: permission denied',
        'CREATE USER MAPPING FOR a SERVER s: permission denied',
        'CREATE FUNCTION public.f() RETURNS integer: permission denied for language c',
      ],
    });
  });

  it('that follow from what was denied are warnings too, also in a later run', () => {
    const comment = failed('extension "x" does not exist', "COMMENT ON EXTENSION x IS 'y';");
    const denied: string[] = [];
    expect(judge([...extension, ...comment], denied).warnings).toHaveLength(2);
    expect(judge(comment, denied).warnings).toHaveLength(1);
    expect(judge(comment)).toEqual({
      warnings: [],
      fatal: 'COMMENT ON EXTENSION x IS \'y\': extension "x" does not exist',
    });
  });

  it('are fatal where rows lose their place, with the first cause', () => {
    const table = failed('type "public.x" does not exist', 'CREATE TABLE public.t (');
    expect(judge([...extension, ...table]).fatal).toBe(
      'CREATE TABLE public.t: type "public.x" does not exist (before that CREATE EXTENSION IF NOT EXISTS x: permission denied to create extension "x")',
    );
    for (const command of [
      'CREATE UNLOGGED TABLE t (',
      'CREATE SEQUENCE s',
      'ALTER TABLE ONLY a.p ATTACH PARTITION a.p1 FOR VALUES IN (1);',
      'ALTER TABLE a.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (',
    ])
      expect(judge(failed('permission denied', command)).fatal).toContain(': permission denied');
    expect(judge(failed('permission denied', 'CREATE TABLESPACE s;')).fatal).toBeUndefined();
  });

  it('are fatal when nobody expects them', () => {
    expect(judge(failed('division by zero', 'CREATE VIEW v AS')).fatal).toBe(
      'CREATE VIEW v AS: division by zero',
    );
    expect(judge(['pg_restore: error: connection lost']).fatal).toBe('connection lost');
  });

  it('are read from lines that parallel jobs write into each other', () => {
    const log = new ErrorLog();
    const lines = [
      'pg_restore: pg_restore: error: error: could not execute query: ERROR:  first',
      'could not execute query: ERROR:  second',
    ];
    for (const line of [...lines, 'pg_restore: warning: errors ignored on restore: 2']) log.add(line);
    expect(log.judge(() => true, []).warnings).toEqual(['first', 'second']);
    expect(log.isComplete(1)).toBe(true);
  });

  it('count as unknown when one of them was not read, or the tool stopped', () => {
    const log = new ErrorLog();
    expect(log.isComplete(1)).toBe(false);
    log.add('pg_restore: error: could not execute query: ERROR:  permission denied');
    expect(log.isComplete(1)).toBe(false);
    log.add('pg_restore: warning: errors ignored on restore: 2');
    expect(log.isComplete(1)).toBe(false);
  });

  it('include grants that the server passes over', () => {
    expect(judge(['pg_restore: WARNING:  no privileges were granted for "public"']).warnings).toEqual([
      'no privileges were granted for "public"',
    ]);
    expect(judge(['WARNING:  subscription was created, but is not connected']).warnings).toEqual([]);
  });

  it('are all read when two jobs fail at once and their lines run into each other', () => {
    const log = new ErrorLog();
    for (const line of [
      'pg_restore: pg_restore: error: error: could not execute query: ERROR:  relation "a" already existscould not execute query: ERROR:  relation "b" already exists',
      '',
      'Command was: CREATE INDEX a ON t USING btree (x);',
      'Command was: CREATE INDEX b ON t USING btree (y);',
      'pg_restore: warning: errors ignored on restore: 4',
    ])
      log.add(line);
    expect(log.isComplete(2)).toBe(true);
    expect(log.isComplete(1)).toBe(false);
    expect(log.judge((error) => error.includes('already exists'), []).warnings).toEqual([
      'CREATE INDEX a ON t USING btree (x): relation "a" already exists',
      'CREATE INDEX b ON t USING btree (y): relation "b" already exists',
    ]);
  });
});
