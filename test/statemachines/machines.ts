import fs from 'node:fs';
import path from 'node:path';

export const machineNames = ['backup', 'restore', 'restore-test'] as const;
const directory = path.resolve(import.meta.dirname, '../../statemachines');

export interface State {
  readonly Type: string;
  readonly Next?: string;
  readonly Default?: string;
  readonly TimeoutSeconds?: number;
  readonly Comment?: string;
  readonly Error?: string;
  readonly Retry?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly Comment?: string;
    readonly JitterStrategy?: string;
  }[];
  readonly Catch?: readonly { readonly ErrorEquals: readonly string[]; readonly Next: string }[];
  readonly Choices?: readonly { readonly Next: string; readonly Comment?: string }[];
}

export interface Machine {
  readonly Comment: string;
  readonly QueryLanguage: string;
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

export interface Outcome {
  readonly return?: unknown;
  readonly throw?: { readonly error: string; readonly cause: string };
}

export interface Case {
  readonly name: string;
  readonly input: unknown;
  readonly tries?: Readonly<Record<string, number>>;
  readonly results: Readonly<Record<string, readonly Outcome[]>>;
  readonly path: readonly string[];
  readonly covers: readonly string[];
  readonly end: {
    readonly status: 'SUCCEEDED' | 'FAILED';
    readonly error?: string;
    readonly cause?: string;
    readonly output?: unknown;
  };
}

export function machineText(name: string): string {
  return fs.readFileSync(path.join(directory, `${name}.asl.json`), 'utf8');
}

export function readMachine(name: string): Machine {
  return JSON.parse(machineText(name)) as Machine;
}

/** A cases file: what cases have in common stands once, under a name. */
interface CasesFile {
  /** Of every case that gives none. */
  readonly input: unknown;
  readonly outcomes: Readonly<Record<string, Outcome>>;
  readonly errors: Readonly<Record<string, readonly string[]>>;
  readonly cases: readonly WrittenCase[];
}

interface WrittenCase extends Omit<Case, 'input' | 'results' | 'path'> {
  readonly input?: unknown;
  /** Name in `errors`: the case is run once for each of them, in the place of `$error`. */
  readonly errors?: string;
  /** Each either written out, or a name in `outcomes`. */
  readonly results: Readonly<Record<string, readonly (Outcome | string)[]>>;
  /** `A → B → C` */
  readonly path: string;
}

function readCasesFile(name: string): CasesFile {
  return JSON.parse(fs.readFileSync(path.join(directory, `${name}.cases.json`), 'utf8')) as CasesFile;
}

/**
 * The cases in full, one for each error name.
 * @throws Error when a case names something that its file does not have
 */
export function readCases(name: string): Case[] {
  const file = readCasesFile(name);
  return file.cases.flatMap(({ errors, ...written }) => {
    const results = Object.fromEntries(
      Object.entries(written.results).map(([state, outcomes]) => [
        state,
        outcomes.map((one) => (typeof one === 'string' ? named(file.outcomes, one) : one)),
      ]),
    );
    const one = { input: file.input, ...written, results, path: written.path.split(' → ') };
    return errors === undefined ? [one] : named(file.errors, errors).map((error) => withError(one, error));
  });
}

/** What a cases file shares although no case names it. */
export function unusedBlocks(name: string): string[] {
  const { outcomes, errors, cases } = readCasesFile(name);
  const used = new Set(cases.flatMap((one) => [one.errors, ...Object.values(one.results).flat()]));
  return [...Object.keys(outcomes), ...Object.keys(errors)].filter((block) => !used.has(block));
}

function named<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = table[name];
  if (found === undefined)
    throw new Error(`no shared block ${name}; there are ${Object.keys(table).join(', ')}`);
  return found;
}

function withError(one: Case, error: string): Case {
  const results = JSON.parse(
    JSON.stringify(one.results).replaceAll('"$error"', JSON.stringify(error)),
  ) as Case['results'];
  return { ...one, name: `${one.name} (${error})`, results };
}

/** Every way out of a state that is a decision: `State.Choices[0]`, `.Default`, `.Retry[0]`, `.Catch[0]`, with where it leads. */
export function edgesOf(machine: Machine): Map<string, { readonly from: string; readonly to: string }> {
  const edges = new Map<string, { from: string; to: string }>();
  for (const [from, state] of Object.entries(machine.States)) {
    state.Choices?.forEach(({ Next }, n) => edges.set(`${from}.Choices[${n}]`, { from, to: Next }));
    if (state.Default !== undefined) edges.set(`${from}.Default`, { from, to: state.Default });
    state.Retry?.forEach((_retry, n) => edges.set(`${from}.Retry[${n}]`, { from, to: from }));
    state.Catch?.forEach(({ Next }, n) => edges.set(`${from}.Catch[${n}]`, { from, to: Next }));
  }
  return edges;
}

/** Every transition `A → B` that the definition allows. */
export function transitionsOf(machine: Machine): Set<string> {
  const transitions = new Set<string>();
  for (const [from, state] of Object.entries(machine.States)) {
    const targets = [
      state.Next,
      state.Default,
      ...(state.Choices ?? []).map(({ Next }) => Next),
      ...(state.Catch ?? []).map(({ Next }) => Next),
    ];
    for (const to of targets) if (to !== undefined) transitions.add(`${from} → ${to}`);
  }
  return transitions;
}

/** The definition with stand-ins for what the deployment fills in: whole-text placeholders become JSON values. */
export function filledDefinition(name: string): string {
  const lists = { Subnets: '["subnet-1"]', SecurityGroups: '["sg-1"]' };
  return machineText(name)
    .replaceAll(/"\$\{(Subnets|SecurityGroups)\}"/g, (_all, key: keyof typeof lists) => lists[key])
    .replaceAll('${AssignPublicIp}', 'ENABLED')
    .replaceAll(/\$\{(\w+)FunctionArn\}/g, 'arn:aws:lambda:us-east-1:111122223333:function:$1')
    .replaceAll('${ClusterArn}', 'arn:aws:ecs:us-east-1:111122223333:cluster/holdfast-acme');
}
