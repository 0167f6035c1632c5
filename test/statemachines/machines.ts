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
  readonly errors?: readonly string[];
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

/** One case for each error name of `errors`. */
export function readCases(name: string): Case[] {
  const file = path.join(directory, `${name}.cases.json`);
  const { cases } = JSON.parse(fs.readFileSync(file, 'utf8')) as { readonly cases: readonly Case[] };
  return cases.flatMap((one) => (one.errors ?? ['']).map((error) => withError(one, error)));
}

function withError(one: Case, error: string): Case {
  if (error === '') return one;
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
