import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { base, check, only } from './testing.ts';

interface Shape {
  readonly sources: number;
  readonly canary?: boolean;
  readonly targets?: number;
  readonly secretCharacters?: number;
}

/** The base plan with so many sources and targets; the targets all in one Region. */
function plan({ sources, canary = false, targets = 0, secretCharacters = 20 }: Shape): string {
  const document = parse(base);
  const source = { ...document.sources['shop-db'], ...(canary && { canary: {} }) };
  const numbered = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  document.sources = Object.fromEntries(numbered(sources).map((i) => [`source-${i}`, source]));
  document.targets = Object.fromEntries(
    numbered(targets).map((i) => [
      `target-${i}`,
      { region: 'us-west-2', connection: { secret: `target-${i}/`.padEnd(secretCharacters, 's') } },
    ]),
  );
  return stringify(document, { aliasDuplicateObjects: false });
}

describe('the resources of a stack', () => {
  it('are 495 for 27 sources, and too many for 28', () => {
    expect(check(plan({ sources: 27 })).problems).toEqual([]);
    expect(only(plan({ sources: 28 }))).toMatchObject({
      code: 'PLAN_INVALID',
      path: 'sources',
      line: 8,
      message: 'the plan is too large: stack Holdfast-acme-ControlPrimary would have 510 resources',
      allowed: '500 resources, which is what CloudFormation takes in a stack at most',
      hint: expect.stringMatching(/^split the plan in two files with a name of their own each;/),
    });
  });

  it('are more with a canary in each source: 17 fit, 18 do not', () => {
    expect(check(plan({ sources: 17, canary: true })).problems).toEqual([]);
    expect(only(plan({ sources: 18, canary: true })).message).toContain('would have 522 resources');
  });

  it('fit again when the plan is split in two', () => {
    expect(check(plan({ sources: 14 })).problems).toEqual([]);
  });
});

describe('the policy of a role', () => {
  it('holds the secrets of so many targets, and no more', () => {
    expect(check(plan({ sources: 1, targets: 40, secretCharacters: 120 })).problems).toEqual([]);
    const problem = only(plan({ sources: 1, targets: 40, secretCharacters: 180 }));
    expect(problem.message).toMatch(
      /^the plan is too large: the roles of restores in us-west-2 would have 1\d,\d{3} characters$/,
    );
    expect(problem.allowed).toBe(
      '10,240 characters, which is what IAM takes in the policies of a role at most',
    );
    expect(problem.hint).toContain('or give its secrets shorter names or the plan fewer targets');
  });
});

describe('the bytes of a template', () => {
  it('are too many for 27 sources with 100 targets', () => {
    const problems = check(plan({ sources: 27, targets: 100, secretCharacters: 200 })).problems;
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/ControlStandby would have 1,\d{3},\d{3} bytes$/),
      expect.stringMatching(/roles of restores in us-west-2 would have 2\d,\d{3} characters$/),
    ]);
  });
});
