import { describe, expect, it } from 'vitest';
import { ErrorLog } from './restore-errors.ts';
import { tocEntry } from './testing/toc.ts';

const failed = (message: string, command: string) => [
  `pg_restore: error: could not execute query: ERROR:  ${message}`,
  'HINT:  Something else.',
  `Command was: ${command}`,
  '    of several lines',
];
const logOf = (lines: readonly string[]) => {
  const log = new ErrorLog();
  for (const line of lines) log.add(line);
  return log;
};
const errorsOf = (lines: readonly string[], entries: Parameters<ErrorLog['errors']>[0] = []) =>
  logOf(lines)
    .errors(entries)
    .map(({ message, command, entry, isBeside }) => [entry?.id, isBeside, command, message]);

describe('errors of pg_restore', () => {
  it('lead with the command, never with its secrets', () => {
    expect(
      errorsOf([
        ...failed(
          'permission denied',
          "CREATE SUBSCRIPTION s CONNECTION 'host=h password=geheim' PUBLICATION p;",
        ),
        ...failed('permission denied', "CREATE USER MAPPING FOR a SERVER s OPTIONS (password 'geheim');"),
        ...failed('permission denied for language c', 'CREATE FUNCTION public.f() RETURNS integer'),
      ]).map((error) => error.slice(2)),
    ).toEqual([
      ['CREATE SUBSCRIPTION s', 'permission denied'],
      ['CREATE USER MAPPING FOR a SERVER s', 'permission denied'],
      ['CREATE FUNCTION public.f() RETURNS integer', 'permission denied for language c'],
    ]);
  });

  it('belong to their entries when another job writes before the line feed of a command', () => {
    const named = (id: number) =>
      tocEntry(id, ['CONSTRAINT', 'public', `t${id} k`], {
        definition: `ALTER TABLE ONLY public.t${id}\n    ADD CONSTRAINT k UNIQUE (a);\n`,
      });
    const lines = [
      'pg_restore: from TOC entry 1; 2606 1 CONSTRAINT t1 k someone',
      'pg_restore: from TOC entry 2; 2606 2 CONSTRAINT t2 k someone',
      'pg_restore: pg_restore: error: error: could not execute query: ERROR:  first',
      'Command was: ALTER TABLE ONLY public.t1',
      '    ADD CONSTRAINT k UNIQUE (a);could not execute query: ERROR:  second',
      'Command was: ALTER TABLE ONLY public.t2',
      '    ADD CONSTRAINT k UNIQUE (a);pg_restore: finished item 9 INDEX x',
      '',
      'pg_restore:pg_restore: from TOC entry 3; 2606 3 CONSTRAINT t3 k someone',
      ' pg_restore:finished item 8 INDEX x',
      ' pg_restore:error: could not execute query: ERROR:  third',
      'Command was: ALTER TABLE ONLY public.t3',
      '    ADD CONSTRAINT k UNIQUE (a);',
      '',
      ' launching item 4 CONSTRAINT t4 k',
      'pg_restore: pg_restore: error:  creating CONSTRAINT "public.t3 k"',
      'pg_restore: pg_restore: error:  pg_restore: launching item 5 CONSTRAINT t5 k',
    ];
    const entries = [named(1), named(2), named(3)];
    expect(errorsOf(lines, entries).map(([id, isBeside, , message]) => [id, isBeside, message])).toEqual([
      [1, false, 'first'],
      [2, false, 'second'],
      [3, false, 'third'],
    ]);
  });

  it('belong to the entry that pg_restore named, and tell its definition from its owner', () => {
    const table = tocEntry(7, ['TABLE', 'public', 't'], {
      definition: 'CREATE TABLE public.t (\n    a integer\n);\n',
    });
    const lines = [
      'pg_restore: from TOC entry 7; 1259 16400 TABLE t someone',
      'pg_restore: error: could not execute query: ERROR:  type "x" does not exist',
      'LINE 2:     a x',
      'Command was: CREATE TABLE public.t (',
      '    a integer',
      ');',
      '',
      '',
      'pg_restore: error: could not execute query: ERROR:  relation "public.t" does not exist',
      'Command was: ALTER TABLE public.t OWNER TO someone;',
      'pg_restore: from TOC entry 8; 1259 16401 TABLE u someone',
      'pg_restore: error: could not set default_table_access_method: ERROR:  access method "x" does not exist',
      'Command was: SET default_table_access_method = x;',
    ];
    expect(errorsOf(lines, [table, tocEntry(8, ['TABLE', 'public', 'u'])])).toEqual([
      [7, false, 'CREATE TABLE public.t', 'type "x" does not exist'],
      [7, true, 'ALTER TABLE public.t OWNER TO someone', 'relation "public.t" does not exist'],
      [8, true, 'SET default_table_access_method = x', 'access method "x" does not exist'],
    ]);
  });

  it('are told apart by their commands when jobs run in parallel, also where pg_restore cuts these off', () => {
    const long = `CREATE INDEX ${'ü'.repeat(60)}`;
    const entries = [
      tocEntry(1, ['INDEX', 'public', 'a'], { definition: 'CREATE INDEX a ON t USING btree (x);\n' }),
      tocEntry(2, ['INDEX', 'public', 'b'], { definition: `${long} ON t USING btree (y);\n` }),
    ];
    const cut = Buffer.from(`${long} ON t`).subarray(0, 124).toString('utf8');
    const lines = [
      'pg_restore: pg_restore: from TOC entry 1; 1259 5 INDEX a someone',
      'from TOC entry 2; 1259 6 INDEX b someone',
      'pg_restore: pg_restore: error: error: could not execute query: ERROR:  second',
      `Command was: ${cut}...`,
      'could not execute query: ERROR:  first',
      'Command was: CREATE INDEX a ON t USING btree (x);',
    ];
    expect(errorsOf(lines, entries).map(([id, , , message]) => [id, message])).toEqual([
      [1, 'first'],
      [2, 'second'],
    ]);
  });

  it('end the restore when they are of the connection or of the disk, in no other case', () => {
    const fatal = (...said: string[]) =>
      logOf(said.map((text) => `pg_restore: error: could not execute query: ${text}`)).fatal();
    expect(fatal('ERROR:  division by zero')).toBeUndefined();
    expect(fatal('FEHLER:  Division durch Null')).toBeUndefined();
    expect(fatal('ERROR:  relation "a\rb" does not exist')).toBeUndefined();
    expect(fatal('ERROR:  could not connect to server "elsewhere"')).toBeUndefined();
    for (const said of [
      'server closed the connection unexpectedly',
      'no connection to the server',
      'FATAL:  terminating connection due to administrator command',
      'ERROR:  could not extend file "base/1/2": No space left on device',
    ])
      expect(fatal('ERROR:  division by zero', said)).toBe(said);
    expect(logOf(['pg_restore: error: connection lost']).fatal()).toBe('connection lost');
  });

  it('are read from lines that parallel jobs write into each other', () => {
    const log = logOf([
      'pg_restore: pg_restore: error: error: could not execute query: ERROR:  first',
      'could not execute query: ERROR:  second',
      'pg_restore: warning: errors ignored on restore: 2',
    ]);
    log.add('pg_restore: pg_restore: error: finished item 2692 RULE t r');
    expect(log.fatal()).toBeUndefined();
    expect(log.errors([]).map(({ message }) => message)).toEqual(['first', 'second']);
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
    expect(logOf(['pg_restore: WARNING:  no privileges were granted for "public"']).notices).toEqual([
      'no privileges were granted for "public"',
    ]);
    expect(logOf(['WARNING:  subscription was created, but is not connected']).notices).toEqual([]);
  });

  it('are all read when two jobs fail at once and their lines run into each other', () => {
    const lines = [
      'pg_restore: pg_restore: error: error: could not execute query: ERROR:  relation "a" already existscould not execute query: ERROR:  relation "b" already exists',
      '',
      'Command was: CREATE INDEX a ON t USING btree (x);',
      'Command was: CREATE INDEX b ON t USING btree (y);',
      'pg_restore: warning: errors ignored on restore: 4',
    ];
    expect(logOf(lines).isComplete(2)).toBe(true);
    expect(logOf(lines).isComplete(1)).toBe(false);
    expect(errorsOf(lines).map((error) => error.slice(2))).toEqual([
      ['CREATE INDEX a ON t USING btree (x)', 'relation "a" already exists'],
      ['CREATE INDEX b ON t USING btree (y)', 'relation "b" already exists'],
    ]);
  });
});
