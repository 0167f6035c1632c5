import { describe, expect, it } from 'vitest';
import { deploymentFigures, sizeQuotas } from '../core/plan/deployment-size.ts';
import { deploymentNames } from '../core/plan/names.ts';
import { planOf, type PlanShape } from './testing/plan-shapes.ts';
import { policyCharacters, roleOf } from './testing/simulate.ts';
import { testStacks } from './testing/test-app.ts';
import { refuseTooLarge, templateFigures } from './template-sizes.ts';

const shapes: Readonly<Record<string, PlanShape>> = {
  least: { targets: 0 },
  everything: {
    longNames: true,
    breakGlass: true,
    networks: ['primary', 'standby'],
    iam: true,
    canary: true,
    heartbeat: 'secret',
    targets: 6,
  },
  canaries: { sources: 3, canary: true, heartbeat: 'url', iam: true, targets: 4, networks: ['standby'] },
  many: { sources: 10, longNames: true, targets: 20, secretCharacters: 150 },
};

describe.each(Object.entries(shapes))('the sizes that plan check foresees, for %s', (_, shape) => {
  const plan = planOf(shape);
  const { app, stacks, resources } = testStacks(plan);
  const foreseen = deploymentFigures(plan);
  const stackNames = [stacks.controlPrimary, stacks.controlStandby].map(({ stackName }) => stackName);
  const textOf = (stackName: string) => JSON.stringify(app.synth().getStackByName(stackName).template);

  it('are the resources of each stack', () => {
    for (const name of stackNames) {
      const of = `stack ${name}`;
      const actual = templateFigures({ stackName: name, text: textOf(name) });
      const is = (figure: { quota: string; of: string }) => figure.quota === 'resources' && figure.of === of;
      expect([name, foreseen.find(is)?.value]).toEqual([name, actual.find(is)?.value]);
    }
  });

  it('are at least the bytes of each template, and at most a quarter more', () => {
    for (const name of stackNames) {
      const bound = foreseen.find(({ quota, of }) => quota === 'template' && of === `stack ${name}`)?.value;
      const actual = Buffer.byteLength(textOf(name));
      expect([name, bound]).toEqual([
        name,
        expect.toSatisfy((one: number) => one >= actual && one <= 1.25 * actual),
      ]);
    }
  });

  it('are at least the characters of the policies that grow with it, and at most a quarter more', () => {
    const names = deploymentNames(plan);
    for (const region of Object.values(plan.regions)) {
      const characters = (id: RegExp) => policyCharacters(roleOf(resources, { region, id }));
      const restores = plan.sources.map(({ id }) =>
        characters(new RegExp(`^${names.taskRole('restore', id, region).replaceAll('.', '\\.')}$`)),
      );
      const actual = {
        [`the roles of restores in ${region}`]: Math.max(...restores),
        [`the role of check-copy in ${region}`]: characters(/^FunctionscheckcopyRole/),
      };
      for (const [of, value] of Object.entries(actual)) {
        const bound = foreseen.find((figure) => figure.of === of)?.value;
        expect([of, bound]).toEqual([
          of,
          expect.toSatisfy((one: number) => one >= value && one <= 1.25 * value),
        ]);
      }
    }
  });

  it('leave out nothing that is near its quota', () => {
    const all = app
      .synth()
      .stacks.flatMap(({ stackName }) => templateFigures({ stackName, text: textOf(stackName) }));
    expect(new Set(all.map(({ quota }) => quota))).toEqual(
      new Set(Object.keys(sizeQuotas).filter((quota) => quota !== 'managedPolicy')),
    );
    const foreseenToo = /^(stack |role (TasksRolesrestore|FunctionscheckcopyRole))/;
    const near = all.filter(
      ({ quota, of, value }) => !foreseenToo.test(of) && value > 0.8 * sizeQuotas[quota].limit,
    );
    expect(near).toEqual([]);
  });
});

describe('a synthesis', () => {
  const template = (resources: Record<string, unknown>) => ({
    stackName: 'Holdfast-acme-X',
    text: JSON.stringify({ Resources: resources }),
  });
  const policy = (characters: number) => ({ Statement: [{ Resource: 'x'.repeat(characters - 31) }] });
  const role = (characters: number) => ({
    Type: 'AWS::IAM::Role',
    Properties: { AssumeRolePolicyDocument: {}, Policies: [{ PolicyDocument: policy(characters) }] },
  });
  const attached = (characters: number) => ({
    Type: 'AWS::IAM::Policy',
    Properties: { PolicyDocument: policy(characters), Roles: [{ Ref: 'Role' }] },
  });

  it('adds the policies of a role up, and refuses in the words of plan check what exceeds the quota', () => {
    expect(() => refuseTooLarge([template({ Role: role(5_120), More: attached(5_120) })])).not.toThrow();
    expect(() => refuseTooLarge([template({ Role: role(5_120), More: attached(5_121) })])).toThrow(
      expect.objectContaining({
        code: 'PLAN_INVALID',
        message:
          'the plan is too large: role Role of stack Holdfast-acme-X would have 10,241 characters\n  allowed: 10,240 characters, which is what IAM takes in the policies of a role at most',
        hint: expect.stringMatching(/^split the plan in two/),
      }),
    );
  });

  it('counts the bytes that are uploaded', () => {
    const topic = { Type: 'AWS::SNS::Topic', Properties: { DisplayName: 'é'.repeat(499_980) } };
    expect(() => refuseTooLarge([template({ T: topic })])).toThrow(
      /Holdfast-acme-X would have 1,000,0\d\d bytes/,
    );
  });
});
