import { describe, expect, it } from 'vitest';
import { deploymentNames, stateMachineNames } from './names.ts';

const account = '111122223333';
const names = deploymentNames({ name: 'acme', account });
const longest = deploymentNames({ name: 'a'.repeat(20), account });
const region = 'us-east-1';

describe('the name of a task role', () => {
  it('says plan, workflow, source and Region', () => {
    expect(names.taskRole('backup', 'shop-db', region)).toBe('holdfast-acme.backup.shop-db.us-east-1');
    expect(names.taskRoleArn('restore-test', 'shop-db', region)).toBe(
      `arn:aws:iam::${account}:role/holdfast-acme.restore-test.shop-db.us-east-1`,
    );
  });

  it('is whole up to 64 characters and shortened from 65 on', () => {
    const ofLength = (length: number) =>
      names.taskRole('backup', 'x'.repeat(length - 'holdfast-acme.backup..us-east-1'.length), region);
    expect(ofLength(64)).toMatch(/^holdfast-acme\.backup\.x{33}\.us-east-1$/);
    expect(ofLength(64)).toHaveLength(64);
    expect(ofLength(65)).toMatch(/^holdfast-acme\.backup\.x{30}\.[0-9a-f]{12}$/);
    expect(ofLength(65)).toHaveLength(64);
  });

  it('fits what IAM allows for the longest plan, source and Region', () => {
    for (const workflow of stateMachineNames) {
      const name = longest.taskRole(workflow, 's'.repeat(63), 'ap-southeast-1');
      expect(name).toMatch(/^[\w+=,.@-]{1,64}$/);
    }
  });

  it('is the same each time: what was deployed is what a job asks for', () => {
    expect(longest.taskRole('backup', 's'.repeat(63), 'ap-southeast-1')).toBe(
      'holdfast-aaaaaaaaaaaaaaaaaaaa.backup.ssssssssssssss.9241585abed9',
    );
  });

  it('is of one plan, workflow, source and Region only', () => {
    const sources = ['a', 'test-a', 's'.repeat(62), 's'.repeat(63), `${'s'.repeat(62)}t`];
    const all = [names, longest, deploymentNames({ name: 'acme-eu', account })].flatMap((one) =>
      [region, 'ap-southeast-1', 'ap-southeast-2'].flatMap((where) =>
        stateMachineNames.flatMap((workflow) =>
          sources.map((source) => one.taskRole(workflow, source, where)),
        ),
      ),
    );
    expect(new Set(all).size).toBe(all.length);
    expect(deploymentNames({ name: 'a', account }).taskRole('backup', 'b-c', region)).not.toBe(
      deploymentNames({ name: 'a-b', account }).taskRole('backup', 'c', region),
    );
  });
});

describe('the name of a schedule', () => {
  it('is whole for usual sources and fits for the longest', () => {
    expect(names.schedule('restore-test', 'shop-db')).toBe('shop-db-restore-test');
    expect(names.schedule('restore-test', 's'.repeat(51))).toBe(`${'s'.repeat(51)}-restore-test`);
    for (const workflow of stateMachineNames) {
      expect(names.schedule(workflow, 's'.repeat(63))).toMatch(/^[\w.-]{64}$/);
    }
    expect(names.schedule('backup', 's'.repeat(63))).not.toBe(names.schedule('restore-test', 's'.repeat(63)));
  });
});
