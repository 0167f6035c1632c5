import { createRequire } from 'node:module';
import jsonata from 'jsonata';
import { describe, expect, it } from 'vitest';
import { errorCodeByName } from '../../core/errors.ts';
import {
  edgesOf,
  filledDefinition,
  machineNames,
  machineText,
  readCases,
  readMachine,
  transitionsOf,
  unusedBlocks,
} from './machines.ts';

// The package has no types for ES modules.
const validate = createRequire(import.meta.url)('asl-validator') as (definition: unknown) => {
  readonly isValid: boolean;
  readonly errorsText: () => string;
};

/** Names that AWS gives: Step Functions' own, and those of the integrations. */
const awsErrors = /^(States\.|Lambda\.|ECS\.|AmazonECS\.)/;

describe.each(machineNames)('statemachines/%s.asl.json', (name) => {
  const machine = readMachine(name);
  const states = Object.entries(machine.States);

  it('is valid, as written and as deployed', () => {
    for (const definition of [machine, JSON.parse(filledDefinition(name)) as typeof machine]) {
      const result = validate(definition);
      expect([result.isValid, result.errorsText()]).toEqual([true, '']);
    }
    expect(filledDefinition(name)).not.toContain('${');
  });

  it('holds only expressions that JSONata can parse', () => {
    const expressions = [...machineText(name).matchAll(/"\{% ((?:[^"\\]|\\.)*) %\}"/g)].map(
      ([, text]) => JSON.parse(`"${text}"`) as string,
    );
    expect(expressions.length).toBeGreaterThan(10);
    for (const expression of expressions) expect(() => jsonata(expression)).not.toThrow();
  });

  it('bounds every Task in time, catches everything, and gives a reason with every Retry', () => {
    const tasks = states.filter(([, { Type }]) => Type === 'Task');
    expect(tasks.length).toBeGreaterThan(3);
    for (const [state, task] of tasks) {
      expect([state, task.TimeoutSeconds]).toEqual([state, expect.any(Number)]);
      expect(task.Catch?.at(-1)?.ErrorEquals).toEqual(['States.ALL']);
      expect(task.Retry?.length).toBeGreaterThan(0);
      for (const retry of task.Retry ?? []) {
        expect(retry.Comment).toMatch(/\d s: /);
        expect(retry.JitterStrategy).toBe('FULL');
      }
    }
  });

  it('uses only error names of the catalogue or of AWS', () => {
    const names = states.flatMap(([, state]) => [
      ...[...(state.Retry ?? []), ...(state.Catch ?? [])].flatMap(({ ErrorEquals }) => ErrorEquals),
      ...(state.Type === 'Fail' && !state.Error?.startsWith('{%') ? [state.Error ?? ''] : []),
    ]);
    const inExpressions = [...machineText(name).matchAll(/'Error': '(\w+)'/g)].map(
      ([, error]) => error ?? '',
    );
    const own = [...names, ...inExpressions].filter((error) => !awsErrors.test(error));
    expect(own).toContain('CatalogUnavailable');
    expect(own.filter((error) => errorCodeByName(error) === undefined)).toEqual([]);
  });

  it('has a named case for every Choice branch, Retry and Catch', () => {
    const cases = readCases(name);
    const edges = edgesOf(machine);
    const covered = new Set(cases.flatMap(({ covers }) => covers));
    expect([...edges.keys()].filter((edge) => !covered.has(edge))).toEqual([]);
    expect([...covered].filter((edge) => !edges.has(edge))).toEqual([]);
    expect(new Set(cases.map((one) => one.name)).size).toBe(cases.length);
    for (const one of cases) {
      for (const edge of one.covers) {
        const { from, to } = edges.get(edge)!;
        const walked = edge.includes('.Retry[')
          ? (one.tries?.[from] ?? 0) > 1
          : one.path.some((state, n) => state === from && one.path[n + 1] === to);
        expect([one.name, edge, walked]).toEqual([one.name, edge, true]);
      }
    }
  });

  it('has a case through every state and every transition', () => {
    const cases = readCases(name);
    const walked = new Set(cases.flatMap(({ path }) => path.slice(1).map((to, n) => `${path[n]} → ${to}`)));
    expect([...transitionsOf(machine)].filter((transition) => !walked.has(transition))).toEqual([]);
    expect(
      Object.keys(machine.States).filter((state) => !cases.some(({ path }) => path.includes(state))),
    ).toEqual([]);
  });

  it('has a case for every error name that is tried again', () => {
    const cases = readCases(name);
    for (const [from, { Retry = [] }] of states) {
      Retry.forEach(({ ErrorEquals }, n) => {
        const thrown = cases
          .filter(({ covers }) => covers.includes(`${from}.Retry[${n}]`))
          .flatMap(({ results }) => (results[from] ?? []).map((outcome) => outcome.throw?.error));
        expect([from, ErrorEquals.filter((error) => !thrown.includes(error))]).toEqual([from, []]);
      });
    }
  });

  it('shares among its cases only what a case names', () => {
    expect(unusedBlocks(name)).toEqual([]);
  });
});
