import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { lintTemplates } from './lint-templates.ts';

it('finds what CloudFormation would refuse, and passes over what is accepted with a reason', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-lint-'));
  try {
    const file = path.join(folder, 'wrong.template.json');
    const role = {
      Type: 'AWS::IAM::Role',
      Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [] } },
    };
    const wrong = { Type: 'AWS::SNS::Topic', DependsOn: ['Role'], Properties: { TopicNames: 'wrong key' } };
    const twice = { Type: 'AWS::SNS::Topic', Properties: { DisplayName: { 'Fn::GetAtt': ['Role', 'Arn'] } } };
    const resources = { Role: role, Wrong: wrong, Twice: { ...twice, DependsOn: ['Role'] } };
    fs.writeFileSync(file, JSON.stringify({ Resources: resources }));
    const found = await lintTemplates([file]);
    expect(found.map(({ Rule }) => Rule.Id)).toEqual(['E3002']);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
